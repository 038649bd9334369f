from apps.ml.admin import health

__all__ = ["health"]
