"""Report plans and reports."""

import hashlib

from apps.accounts.policy import Permission
from apps.core.clock import read_now
from apps.reports.models import Delivery, Report, ReportFile
from apps.reports.selectors.exports import describe_scope
from apps.reports.services.reports import PlanDefinition, create_plan
from tests.factories.maintenance import select

PDF = b"%PDF-1.7 of a test"


def define_plan(name="Vienna", **fields):
    return PlanDefinition(**{"name": name, "period": "7d", "selector": select(), **fields})


def make_plan(owner, name="Vienna", **fields):
    return create_plan(define_plan(name, **fields), owner=owner)


def make_report(plan, **fields):
    """A report as a worker leaves it, with a delivery that failed."""
    now = read_now()
    report = Report.objects.create(
        **{
            "plan": plan,
            "reason": "asked",
            "start_at": now,
            "end_at": now,
            "state": "ready",
            "created_at": now,
            "made_at": now,
            "verdict": "All is well.",
            "size_bytes": len(PDF),
            "digest": hashlib.sha256(PDF).hexdigest(),
            "pages": 3,
            "coverage": 1.0,
            "scope": describe_scope(plan.owner, Permission.VIEW),
            **fields,
        }
    )
    ReportFile.objects.create(report=report, content=PDF)
    Delivery.objects.create(
        report=report, recipient="ann@example.org", state="failed", attempts=5, error="refused"
    )
    return report
