from apps.ml.admin import diagnosis, forecasts, health, registry, series

__all__ = ["diagnosis", "forecasts", "health", "registry", "series"]
