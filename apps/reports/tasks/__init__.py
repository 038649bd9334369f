from apps.reports.tasks import exports, reports

__all__ = ["exports", "reports"]
