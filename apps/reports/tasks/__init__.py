from apps.reports.tasks import exports

__all__ = ["exports"]
