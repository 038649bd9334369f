from apps.reports.models.exports import Export
from apps.reports.models.reports import Delivery, Report, ReportFile, ReportPlan
from apps.reports.models.tallies import DayTally, TallyClock

__all__ = ["DayTally", "Delivery", "Export", "Report", "ReportFile", "ReportPlan", "TallyClock"]
