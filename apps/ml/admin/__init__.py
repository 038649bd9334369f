from apps.ml.admin import diagnosis, findings, forecasts, health, judging, registry, series

__all__ = ["diagnosis", "findings", "forecasts", "health", "judging", "registry", "series"]
