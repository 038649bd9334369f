from apps.reports.tasks import reports

__all__ = ["reports"]
