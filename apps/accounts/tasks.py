import structlog
from celery import shared_task
from django.core.management import call_command
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from apps.accounts import services
from apps.accounts.models import Invitation, PasswordLink
from apps.accounts.services.invitations import note_mail
from apps.configuration.errors import MailFault, MailNotConfigured
from apps.configuration.mail import send_message
from apps.configuration.selectors import read_words

logger = structlog.get_logger(__name__)

NO_MAIL = "No mail server is set up; hand over the link yourself."


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def mail_invitation(digest: str, link: str) -> None:
    """Mails the link unless that was done; the digest tells a renewed invitation apart."""
    invitation = (
        Invitation.objects.select_related("invited_by")
        .filter(digest=digest, sent_at=None, accepted_at=None, revoked_at=None)
        .first()
    )
    if invitation is None:
        return
    inviter = invitation.invited_by
    context = {
        "link": link,
        "inviter": (inviter.get_full_name() or inviter.username) if inviter else "",
        "expires_at": invitation.expires_at,
        "email": invitation.email,
    }
    fault = deliver(invitation.email, _("Your invitation to StreamSwarm"), "invitation", context)
    note_mail(digest=digest, fault=fault)


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def mail_password_link(digest: str, address: str) -> None:
    link = PasswordLink.objects.select_related("user").filter(digest=digest, used_at=None).first()
    if link is None or not link.user.email:
        return
    context = {"link": address, "username": link.user.username, "expires_at": link.expires_at}
    fault = deliver(
        link.user.email, _("Set your password for StreamSwarm"), "password_link", context
    )
    if fault:
        logger.warning("password_link_not_mailed", user=link.user_id, reason=fault)


def deliver(to: str, subject: str, template: str, context: dict[str, object]) -> str:
    """Empty when it was mailed, else why not, in words."""
    try:
        send_message(
            to=[to],
            subject=subject,
            text=render_to_string(f"emails/{template}.txt", context),
            html=render_to_string(f"emails/{template}.html", context),
        )
    except MailNotConfigured:
        return NO_MAIL
    except MailFault as error:
        return str(error)
    return ""


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def verify_audit() -> None:
    services.verify_audit()


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def forget_expired() -> None:
    """Removes the sessions, JWT and links of long ago, which nobody can use any more."""
    call_command("clearsessions", verbosity=0)
    call_command("flushexpiredtokens", verbosity=0)
    services.forget_invitations()
    services.forget_password_links()


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def publish_audit_head() -> None:
    """Logs the chain's head and mails it to those who keep it apart from this server."""
    count, digest = services.publish_head()
    for address in read_words("audit_head_recipients"):
        context: dict[str, object] = {"count": count, "digest": digest}
        fault = deliver(address, _("StreamSwarm audit head"), "audit_head", context)
        if fault:
            logger.warning("audit_head_not_mailed", reason=fault)
