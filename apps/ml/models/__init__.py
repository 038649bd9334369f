from apps.ml.models.findings import Feedback, Finding

__all__ = ["Feedback", "Finding"]
