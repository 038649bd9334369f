from apps.ml.tasks import forecasting, health, registry, series

__all__ = ["forecasting", "health", "registry", "series"]
