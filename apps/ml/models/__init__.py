from apps.ml.models.diagnosis import Diagnosis
from apps.ml.models.findings import Feedback, Finding
from apps.ml.models.forecasts import Forecast
from apps.ml.models.health import HealthChange, HealthGoal, HealthScore
from apps.ml.models.judging import JudgingMark
from apps.ml.models.registry import ModelVersion, Training
from apps.ml.models.series import SeriesState, SeriesWatch

__all__ = [
    "Diagnosis",
    "Feedback",
    "Finding",
    "Forecast",
    "HealthChange",
    "HealthGoal",
    "HealthScore",
    "JudgingMark",
    "ModelVersion",
    "SeriesState",
    "SeriesWatch",
    "Training",
]
