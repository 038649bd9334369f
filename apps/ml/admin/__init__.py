from apps.ml.admin import forecasts, registry

__all__ = ["forecasts", "registry"]
