from apps.ml.admin import forecasts, registry, series

__all__ = ["forecasts", "registry", "series"]
