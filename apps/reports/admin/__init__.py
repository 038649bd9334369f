from apps.reports.admin import exports, reports, tallies

__all__ = ["exports", "reports", "tallies"]
