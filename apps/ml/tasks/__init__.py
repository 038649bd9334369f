from apps.ml.tasks import registry

__all__ = ["registry"]
