from apps.ml.admin import forecasts, judging, registry, series

__all__ = ["forecasts", "judging", "registry", "series"]
