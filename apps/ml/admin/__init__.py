from apps.ml.admin import forecasts, health, registry, series

__all__ = ["forecasts", "health", "registry", "series"]
