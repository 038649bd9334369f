from apps.ml.tasks.health import forget_health, refresh_health

__all__ = ["forget_health", "refresh_health"]
