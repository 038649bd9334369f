from apps.reports.admin import exports

__all__ = ["exports"]
