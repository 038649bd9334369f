from apps.ml.models.findings import Feedback, Finding
from apps.ml.models.health import HealthChange, HealthGoal, HealthScore

__all__ = ["Feedback", "Finding", "HealthChange", "HealthGoal", "HealthScore"]
