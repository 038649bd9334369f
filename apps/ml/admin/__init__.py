from apps.ml.admin import diagnosis, forecasts, registry, series

__all__ = ["diagnosis", "forecasts", "registry", "series"]
