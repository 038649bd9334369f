"""Sending reports: each recipient's message by itself, tried again, and shown what became of it."""

from collections.abc import Iterable
from datetime import timedelta

from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.accounts.services import audited, record_audit
from apps.configuration.mail import Attachment, send_message
from apps.core.bus import publish
from apps.core.clock import read_now
from apps.core.errors import Conflict, Refused, StreamSwarmError
from apps.jobs.errors import JobFailed
from apps.jobs.registry import Outcome
from apps.jobs.runs import JobRun
from apps.jobs.services import enqueue_job
from apps.reports.models import Delivery, Report
from apps.reports.published import PapersChanged
from apps.reports.sections.base import write_day, write_period
from apps.reports.selectors.reports import require_rights
from apps.reports.services.reports.document import ask_question
from apps.reports.services.reports.limits import require_mailing_pause, require_sending
from apps.reports.services.reports.settling import LONGEST_ERROR, SEND_REPORT, name_delivery

MOST_ATTEMPTS = 5
MOST_MAILED_BYTES = 20 * 2**20


def queue_deliveries(report: Report, recipients: Iterable[str]) -> None:
    """Those recipients get the report too; once it is made, a job for each that waits is queued."""
    known = [Delivery(report=report, recipient=one) for one in dict.fromkeys(recipients)]
    Delivery.objects.bulk_create(known, ignore_conflicts=True)
    if report.state != Report.State.READY:
        return
    waiting = Delivery.objects.filter(report=report, state=Delivery.State.WAITING)
    for delivery in waiting:
        queue_delivery(delivery)


def queue_delivery(delivery: Delivery) -> None:
    enqueue_job(
        kind=SEND_REPORT, arguments={"delivery": delivery.id}, key=name_delivery(delivery.id)
    )


@audited()
def resend(delivery: Delivery, *, by: User) -> Delivery:
    """The delivery, which is tried once more from the beginning.

    Raises: Conflict while the report is not ready, or may not be handed out any more; Refused and
    TooManyRequests when `by` may not send it there, or not yet.
    """
    if delivery.report.state != Report.State.READY:
        raise Conflict("report_not_ready", "The report is not made yet.")
    require_rights(delivery.report)
    require_sending(by, [delivery.recipient])
    require_mailing_pause(by, delivery.recipient)
    delivery.state, delivery.error = Delivery.State.WAITING, ""
    delivery.save(update_fields=["state", "error"])
    queue_delivery(delivery)
    after = {"recipient": delivery.recipient}
    record_audit(action="resend", target=delivery.report, after=after)
    return delivery


def send_report(run: JobRun) -> Outcome:
    """Send the delivery of the job's arguments, and note what became of it.

    A worker that dies between the mail server's "taken" and our note sends it twice: better than
    never.
    Raises: JobFailed with what the mail server said.
    """
    rows = Delivery.objects.select_related("report__plan__owner")
    delivery = rows.filter(id=run.arguments["delivery"]).first()
    if delivery is None or delivery.state == Delivery.State.SENT:
        return Outcome("nothing to do")
    delivery.attempts += 1
    try:
        require_mailing(delivery)
        mail(delivery)
    except StreamSwarmError as error:
        is_final = isinstance(error, JobFailed) and error.is_final
        note_fault(run, delivery, error.detail, is_final=is_final)
        raise JobFailed(error.detail, is_final=is_final) from error
    except Exception as error:
        note_fault(run, delivery, f"{type(error).__name__}; the log of the worker has the rest.")
        raise
    delivery.state, delivery.error = Delivery.State.SENT, ""
    delivery.sent_at = read_now()
    delivery.save(update_fields=["state", "error", "attempts", "sent_at"])
    publish(PapersChanged())
    return Outcome(f"sent to {delivery.recipient}")


def require_mailing(delivery: Delivery) -> None:
    """Nothing, when the report may still go to the recipient: rights may have changed meanwhile.

    A trial goes to who asked for it, who was looked at then.
    Raises: JobFailed for good.
    """
    report = delivery.report
    try:
        require_rights(report)
        if report.reason != Report.Reason.TRIAL:
            require_sending(report.plan.owner, [delivery.recipient])
    except (Conflict, Refused) as error:
        raise JobFailed(error.detail, is_final=True) from error


def note_fault(run: JobRun, delivery: Delivery, detail: str, *, is_final: bool = False) -> None:
    """It is tried again, or given up with the last attempt; what was wrong is shown."""
    is_last = is_final or run.job.attempts >= MOST_ATTEMPTS
    delivery.state = Delivery.State.FAILED if is_last else Delivery.State.RETRYING
    delivery.error = detail[:LONGEST_ERROR]
    delivery.save(update_fields=["state", "error", "attempts"])
    publish(PapersChanged())


def mail(delivery: Delivery) -> None:
    """Hand one message to the mail server: the summary to read, the whole beside it.

    Raises: MailNotConfigured, MailFault.
    """
    report = delivery.report
    plan = report.plan
    question = ask_question(
        plan, user=plan.owner, now=read_now(), span=(report.start_at, report.end_at)
    )
    # What is quoted of the document stays in its language, whatever the plan says by now.
    language = report.summary.get("language", plan.language)
    with translation.override(language), timezone.override(question.zone):
        context = {
            "report": report,
            "plan": plan,
            "language": language,
            "period": write_period(question.start, question.end, question.zone),
            "is_attached": (report.size_bytes or 0) <= MOST_MAILED_BYTES,
            "summary": report.summary,
        }
        # The end is outside of the period: its last day is that of the moment before.
        edges = (question.start, question.end - timedelta(microseconds=1))
        days = dict.fromkeys(write_day(moment, question.zone) for moment in edges)
        subject = f"{plan.name}: " + " \N{EN DASH} ".join(days)
        if report.reason == Report.Reason.TRIAL:
            subject = _("Test: %(subject)s") % {"subject": subject}
        send_message(
            to=[delivery.recipient],
            subject=subject,
            text=render_to_string("emails/report.txt", context),
            html=render_to_string("emails/report.html", context),
            attachments=attach(report),
        )


def attach(report: Report) -> list[Attachment]:
    """The PDF, unless mail servers would refuse it for its size."""
    if (report.size_bytes or 0) > MOST_MAILED_BYTES:
        return []
    content = bytes(report.file.content)
    return [Attachment(report.file_name, content, "application/pdf")]
