from apps.ml.models.findings import Feedback, Finding
from apps.ml.models.forecasts import Forecast

__all__ = ["Feedback", "Finding", "Forecast"]
