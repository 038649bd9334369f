"""Making reports: asked for, queued with what asks for them, made by a worker."""

import hashlib
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from django.db import DatabaseError, IntegrityError, transaction

from apps.accounts.models import User
from apps.accounts.policy import Permission
from apps.accounts.services import audited, record_audit
from apps.core.bus import publish
from apps.core.clock import read_now
from apps.core.errors import Conflict, StreamSwarmError
from apps.jobs.errors import JobFailed, JobLost
from apps.jobs.registry import Outcome
from apps.jobs.runs import JobRun
from apps.jobs.services import enqueue_job
from apps.reports.algorithms.periods import Span, find_period
from apps.reports.models import Report, ReportFile, ReportPlan
from apps.reports.published import PapersChanged
from apps.reports.selectors.exports import describe_scope
from apps.reports.services.reports.delivering import queue_deliveries
from apps.reports.services.reports.document import (
    Document,
    ask_question,
    build_document,
    render_html,
)
from apps.reports.services.reports.limits import (
    require_mailing_pause,
    require_report_room,
    require_sending,
)
from apps.reports.services.reports.plans import find_next_of
from apps.reports.services.reports.settling import (
    LONGEST_ERROR,
    MAKE_REPORT,
    fail_report,
    revive_deliveries,
)
from apps.reports.writers.press import Printed, print_html

logger = structlog.get_logger(__name__)

MOST_ATTEMPTS = 2
LONGEST_VERDICT = 500
PLANS_AT_ONCE = 20
PUT_OFF = timedelta(days=1)
GATHERED, PRINTED = 0.4, 0.9


@audited()
def ask_report(
    plan: ReportPlan, *, by: User, is_trial: bool = False, span: Span | None = None
) -> Report:
    """A report that a worker will make; with `is_trial` it is sent to who asks, and only there.

    Raises: Conflict when too many are open, or for a trial of somebody without an address; Refused
    and TooManyRequests for a trial that may not be sent there, or not yet.
    """
    require_report_room(plan.owner)
    if is_trial:
        require_trial(by)
    recipients = [by.email] if is_trial else []
    reason = Report.Reason.TRIAL if is_trial else Report.Reason.ASKED
    report = queue_report(plan, reason=reason, span=span or find_span(plan, read_now()))
    queue_deliveries(report, recipients)
    after = {"plan": plan.name, "reason": str(reason)}
    sent = {"recipient": by.email} if is_trial else {}
    record_audit(action="make", target=report, after=after | sent)
    return report


def require_trial(user: User) -> None:
    """Raises: Conflict without an address, Refused, TooManyRequests."""
    if not user.email:
        raise Conflict("no_address", "Your profile has no e-mail address.")
    require_sending(user, [user.email])
    require_mailing_pause(user, user.email)


@audited()
def remake_report(report: Report) -> Report:
    """The failed report, which a worker will make once more and send to whom it was for.

    Raises: Conflict unless it has failed, and when too many are open.
    """
    rows = Report.objects.select_for_update(of=("self",)).select_related("plan__owner")
    locked = rows.filter(id=report.id, state=Report.State.FAILED).first()
    if locked is None:
        raise Conflict("report_not_failed", "Only a report that could not be made is made again.")
    require_report_room(locked.plan.owner)
    locked.state, locked.error = Report.State.QUEUED, ""
    locked.save(update_fields=["state", "error"])
    revive_deliveries(locked)
    queue_making(locked)
    after = {"plan": locked.plan.name, "reason": str(locked.reason)}
    record_audit(action="make_again", target=locked, after=after)
    return locked


def find_span(plan: ReportPlan, now: datetime) -> Span:
    question = ask_question(plan, user=plan.owner, now=now)
    return question.start, question.end


def queue_report(plan: ReportPlan, *, reason: str, span: Span) -> Report:
    """The stored report, whose job is committed with it."""
    report = Report.objects.create(
        plan=plan, reason=reason, start_at=span[0], end_at=span[1], created_at=read_now()
    )
    queue_making(report)
    return report


def queue_making(report: Report) -> None:
    enqueue_job(kind=MAKE_REPORT, arguments={"report": str(report.id)}, key=str(report.id))
    publish(PapersChanged())


def make_due_reports(*, now: datetime) -> int:
    """How many plans were due, each of which has a report queued now.

    What was missed while nothing ran is made once, of the newest period; a second call at the same
    time makes none twice. A plan that cannot be asked says so in its history, is due again a day
    later, and keeps no other waiting.
    """
    due = ReportPlan.objects.filter(next_at__lte=now).order_by("next_at")
    queued = 0
    for plan_id in due.values_list("id", flat=True)[:PLANS_AT_ONCE]:
        try:
            queued += make_due(plan_id, now)
        except DatabaseError:
            # No fault of the plan, which stays due.
            logger.exception("report_plan_failed", plan=str(plan_id))
        except Exception as error:
            logger.exception("report_plan_failed", plan=str(plan_id))
            put_off(plan_id, now, type(error).__name__)
    return queued


@audited()
def put_off(plan_id: UUID, now: datetime, fault: str) -> None:
    """The plan is due again a day later; a failed report of the period says why there is none.

    Its zone may be what is wrong, so the period is that of UTC.
    """
    plan = ReportPlan.objects.filter(id=plan_id, next_at__lte=now).first()
    if plan is None:
        return
    ReportPlan.objects.filter(id=plan_id).update(next_at=now + PUT_OFF)
    start, end = find_period(plan.period, now, ZoneInfo("UTC"))
    report, is_new = Report.objects.get_or_create(
        plan=plan,
        reason=Report.Reason.SCHEDULED,
        start_at=start,
        end_at=end,
        defaults={"created_at": read_now()},
    )
    if is_new:
        queue_deliveries(report, plan.recipients)
        fail_report(report.id, f"{fault}; the log of the server has the rest.")


def make_due(plan_id: UUID, now: datetime) -> bool:
    try:
        with transaction.atomic():
            rows = ReportPlan.objects.select_for_update(of=("self",)).select_related("owner")
            plan = rows.filter(id=plan_id, next_at__lte=now).first()
            if plan is None:
                return False
            plan.next_at = find_next_of(plan)
            plan.save(update_fields=["next_at"])
            if not plan.owner.is_active:
                logger.warning("report_owner_inactive", plan=str(plan.id))
                return False
            span = find_span(plan, now)
            report = queue_report(plan, reason=Report.Reason.SCHEDULED, span=span)
            queue_deliveries(report, plan.recipients)
    except IntegrityError:
        # Another process made it at the same moment, or it was made of this period before.
        move_on(plan_id, now)
        return False
    return True


def move_on(plan_id: UUID, now: datetime) -> None:
    """The plan is due again at its next time."""
    plan = ReportPlan.objects.filter(id=plan_id, next_at__lte=now).first()
    if plan is not None:
        ReportPlan.objects.filter(id=plan_id, next_at=plan.next_at).update(
            next_at=find_next_of(plan)
        )


def make_report(run: JobRun) -> Outcome:
    """Make the report of the job's arguments; the file and its deliveries are committed at once.

    Raises: JobFailed saying why it could not be made.
    """
    rows = Report.objects.select_related("plan__owner")
    report = rows.filter(id=run.arguments["report"]).first()
    if report is None or not begin(report):
        return Outcome("nothing to do")
    try:
        run.report(0.1, "reading")
        document = write_document(report)
        run.report(GATHERED, "printing")
        printed = print_html(render_html(document))
        run.report(PRINTED, "storing")
    except JobLost:
        # Another worker makes it, or nobody is to: what is known here counts no more.
        raise
    except StreamSwarmError as error:
        is_final = isinstance(error, JobFailed) and error.is_final
        note_failure(run, report, error.detail, is_final=is_final)
        raise JobFailed(error.detail, is_final=is_final) from error
    except Exception as error:
        note_failure(run, report, f"{type(error).__name__}; the log of the worker has the rest.")
        raise
    if not store_report(report, document, printed):
        return Outcome("was made or deleted meanwhile")
    return Outcome(f"{printed.pages} pages, {len(printed.content)} bytes")


def begin(report: Report) -> bool:
    """Whether the report is to be made, and is shown as being made."""
    rows = Report.objects.filter(id=report.id).exclude(state=Report.State.READY)
    is_begun = bool(rows.update(state=Report.State.MAKING))
    publish(PapersChanged())
    return is_begun


def write_document(report: Report) -> Document:
    """The document of a stored report, as its owner may see it.

    Raises: JobFailed when the owner may not sign in any more.
    """
    plan = report.plan
    if not plan.owner.is_active:
        raise JobFailed("The owner of this report is not active.", is_final=True)
    now = read_now()
    span = (report.start_at, report.end_at)
    return build_document(plan, ask_question(plan, user=plan.owner, now=now, span=span), now)


def note_failure(run: JobRun, report: Report, detail: str, *, is_final: bool = False) -> None:
    """It waits for the next attempt and says what was wrong, or has failed with the last one."""
    if is_final or run.job.attempts >= MOST_ATTEMPTS:
        fail_report(report.id, detail)
        return
    rows = Report.objects.filter(id=report.id, state__in=Report.OPEN)
    rows.update(state=Report.State.QUEUED, error=detail[:LONGEST_ERROR])
    publish(PapersChanged())


@transaction.atomic
def store_report(report: Report, document: Document, printed: Printed) -> bool:
    """Whether the report is stored with its file, and with the jobs that send it.

    What another worker has made meanwhile stays, and what was deleted does not come back.
    """
    rows = Report.objects.select_for_update().filter(id=report.id)
    if not rows.exclude(state=Report.State.READY).exists():
        return False
    ReportFile.objects.update_or_create(report=report, defaults={"content": printed.content})
    report.state, report.error = Report.State.READY, ""
    report.made_at = read_now()
    report.verdict = document.verdict[:LONGEST_VERDICT]
    report.summary = document.summary
    report.size_bytes = len(printed.content)
    report.digest = hashlib.sha256(printed.content).hexdigest()
    report.pages = printed.pages
    report.coverage = document.coverage
    # The same object's roles, with which the document was read.
    report.scope = describe_scope(report.plan.owner, Permission.VIEW)
    report.save(force_update=True)
    revive_deliveries(report)
    queue_deliveries(report, [])
    publish(PapersChanged())
    return True


@audited()
def delete_report(report: Report) -> None:
    """The report is gone, with its file."""
    record_audit(action="delete", target=report, before={"digest": report.digest})
    report.delete()
