from apps.reports.models.reports import Delivery, Report, ReportFile, ReportPlan

__all__ = ["Delivery", "Report", "ReportFile", "ReportPlan"]
