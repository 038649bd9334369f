from apps.ml.models.findings import Feedback, Finding
from apps.ml.models.forecasts import Forecast
from apps.ml.models.registry import ModelVersion, Training

__all__ = ["Feedback", "Finding", "Forecast", "ModelVersion", "Training"]
