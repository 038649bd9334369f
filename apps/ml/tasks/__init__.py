from apps.ml.tasks import forecasting, registry, series

__all__ = ["forecasting", "registry", "series"]
