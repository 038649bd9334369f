from apps.ml.tasks import forecasting, health, joint, registry, series

__all__ = ["forecasting", "health", "joint", "registry", "series"]
