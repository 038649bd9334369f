from apps.ml.tasks import forecasting, registry

__all__ = ["forecasting", "registry"]
