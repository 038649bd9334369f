from apps.ml.models.diagnosis import Diagnosis
from apps.ml.models.findings import Feedback, Finding

__all__ = ["Diagnosis", "Feedback", "Finding"]
