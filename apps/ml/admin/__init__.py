from apps.ml.admin import forecasts

__all__ = ["forecasts"]
