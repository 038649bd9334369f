from apps.ml.admin.diagnosis import DiagnosisAdmin

__all__ = ["DiagnosisAdmin"]
