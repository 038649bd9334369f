from apps.reports.admin import exports, reports

__all__ = ["exports", "reports"]
