from apps.ml.tasks import forecasting, joint, registry, series

__all__ = ["forecasting", "joint", "registry", "series"]
