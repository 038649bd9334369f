from apps.reports.admin import reports

__all__ = ["reports"]
