"""What became of reports and messages whose work ended: none waits for what nobody does."""

from uuid import UUID

from django.db.models import QuerySet

from apps.accounts.services import audited, record_audit
from apps.core.bus import publish
from apps.jobs.models import Job
from apps.reports.models import Delivery, Report
from apps.reports.published import PapersChanged

MAKE_REPORT, SEND_REPORT = "make_report", "send_report"
LONGEST_ERROR = 500
OPEN_DELIVERIES = (Delivery.State.WAITING, Delivery.State.RETRYING)
GIVEN_UP = "It was given up."
DISCARDED = "The work was discarded."
FORGOTTEN = "The work is no longer in the queue."


def name_delivery(delivery_id: int) -> str:
    """The key of the job that sends it."""
    return f"delivery-{delivery_id}"


@audited()
def fail_report(report_id: UUID, detail: str) -> bool:
    """Whether the report was still open, and is failed now with all messages that wait for it."""
    rows = Report.objects.select_for_update(of=("self",)).select_related("plan")
    report = rows.filter(id=report_id, state__in=Report.OPEN).first()
    if report is None:
        return False
    report.state, report.error = Report.State.FAILED, detail[:LONGEST_ERROR]
    report.save(update_fields=["state", "error"])
    waiting = report.deliveries.filter(state__in=OPEN_DELIVERIES)
    unsent = list(waiting.values_list("recipient", flat=True))
    waiting.update(state=Delivery.State.FAILED, error=explain_unmade(report.error))
    after = {"plan": report.plan.name, "error": report.error, "unsent": unsent}
    record_audit(action="fail", target=report, after=after)
    publish(PapersChanged())
    return True


def explain_unmade(error: str) -> str:
    """Why nothing was sent of a report that could not be made."""
    return f"The report could not be made: {error}"[:LONGEST_ERROR]


def revive_deliveries(report: Report) -> None:
    """Who did not get the report because it could not be made waits for it again."""
    failed = Delivery.objects.filter(report=report, state=Delivery.State.FAILED)
    failed.update(state=Delivery.State.WAITING, error="")


def settle_reports() -> int:
    """How many reports and messages were marked as failed because nothing works on them any more.

    A job that kills its worker, is discarded or forgotten has no chance to say so itself.
    """
    return settle_making() + settle_sending()


def settle_making() -> int:
    ids = list(Report.objects.filter(state__in=Report.OPEN).values_list("id", flat=True))
    # A report and its job are committed together, so who is without one now was left by it.
    busy = list_busy(MAKE_REPORT, [str(one) for one in ids])
    idle = [one for one in ids if str(one) not in busy]
    return sum(fail_report(one, explain_end(MAKE_REPORT, str(one))) for one in idle)


def settle_sending() -> int:
    waiting = Delivery.objects.filter(state__in=OPEN_DELIVERIES).select_related("report")
    settled = 0
    for delivery in waiting.filter(report__state=Report.State.FAILED):
        settled += give_up(waiting, delivery, explain_unmade(delivery.report.error))
    ready = list(waiting.filter(report__state=Report.State.READY))
    busy = list_busy(SEND_REPORT, [name_delivery(one.id) for one in ready])
    for delivery in ready:
        key = name_delivery(delivery.id)
        if key not in busy:
            settled += give_up(waiting, delivery, explain_end(SEND_REPORT, key))
    return settled


def give_up(waiting: QuerySet[Delivery], delivery: Delivery, error: str) -> int:
    rows = waiting.filter(id=delivery.id)
    publish(PapersChanged())
    return rows.update(state=Delivery.State.FAILED, error=error[:LONGEST_ERROR])


def list_busy(kind: str, keys: list[str]) -> set[str]:
    """Those of the keys that a job is to be done for."""
    jobs = Job.objects.filter(kind=kind, key__in=keys, state__in=Job.OPEN)
    return set(jobs.values_list("key", flat=True))


def explain_end(kind: str, key: str) -> str:
    """Why the last job of that kind and key ended without its work."""
    job = Job.objects.filter(kind=kind, key=key).order_by("-created_at").first()
    if job is None:
        return FORGOTTEN
    return job.error or (DISCARDED if job.state == Job.State.DISCARDED else GIVEN_UP)
