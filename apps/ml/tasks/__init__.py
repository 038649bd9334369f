from apps.ml.tasks.forecasting import ask_for_forecasts

__all__ = ["ask_for_forecasts"]
