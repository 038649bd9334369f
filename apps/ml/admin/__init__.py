from apps.ml.admin import diagnosis, forecasts, health, judging, registry, series

__all__ = ["diagnosis", "forecasts", "health", "judging", "registry", "series"]
