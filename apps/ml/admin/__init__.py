from apps.ml.admin.registry import ModelVersionAdmin, TrainingAdmin

__all__ = ["ModelVersionAdmin", "TrainingAdmin"]
