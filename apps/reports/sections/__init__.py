"""The sections of reports, in the order in which they come; a new one is a file and a line here."""

from collections.abc import Mapping

from apps.reports.models import ReportPlan
from apps.reports.sections.appendix import Appendix
from apps.reports.sections.base import Draft, Section
from apps.reports.sections.capacity import Capacity
from apps.reports.sections.clients import Clients
from apps.reports.sections.diagnosis import Diagnosis
from apps.reports.sections.incidents import Incidents
from apps.reports.sections.quality import Quality
from apps.reports.sections.service_levels import ServiceLevels
from apps.reports.sections.speed import Speed
from apps.reports.sections.summary import Summary
from apps.reports.sections.tests import Tests
from apps.reports.sections.traffic import Traffic

SECTIONS: Mapping[str, Section] = {
    "summary": Summary(),
    "clients": Clients(),
    "tests": Tests(),
    "service_levels": ServiceLevels(),
    "incidents": Incidents(),
    "quality": Quality(),
    "speed": Speed(),
    "traffic": Traffic(),
    "capacity": Capacity(),
    "diagnosis": Diagnosis(),
    "appendix": Appendix(),
}
TEMPLATES: Mapping[str, tuple[str, ...]] = {
    ReportPlan.Template.EXECUTIVE: (
        "summary",
        "service_levels",
        "incidents",
        "quality",
        "speed",
        "traffic",
        "capacity",
        "diagnosis",
        "appendix",
    ),
    ReportPlan.Template.SLA: ("summary", "service_levels", "incidents", "appendix"),
    ReportPlan.Template.CAPACITY: ("capacity", "traffic", "speed", "appendix"),
    ReportPlan.Template.CLIENT: (
        "summary",
        "clients",
        "service_levels",
        "incidents",
        "capacity",
        "diagnosis",
        "appendix",
    ),
    ReportPlan.Template.TEST: (
        "summary",
        "tests",
        "service_levels",
        "incidents",
        "diagnosis",
        "appendix",
    ),
}

__all__ = ["SECTIONS", "TEMPLATES", "Draft", "Section"]
