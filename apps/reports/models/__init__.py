from apps.reports.models.exports import Export
from apps.reports.models.reports import Delivery, Report, ReportFile, ReportPlan

__all__ = ["Delivery", "Export", "Report", "ReportFile", "ReportPlan"]
