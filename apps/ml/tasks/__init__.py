from apps.ml.tasks import findings, forecasting, health, joint, registry, series

__all__ = ["findings", "forecasting", "health", "joint", "registry", "series"]
