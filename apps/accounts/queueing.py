"""Handing work to the worker, which may be away; tasks are named, for doors do not import them."""

from typing import Any

import structlog
from celery import current_app
from kombu.exceptions import OperationalError

from apps.accounts.models import Invitation, PasswordLink
from apps.accounts.services.invitations import note_mail

logger = structlog.get_logger(__name__)

NO_QUEUE = "The worker's queue does not answer; send it again later, or hand over the link."


def queue(task: str, *arguments: Any) -> bool:
    """Whether the task of apps/accounts/tasks.py was taken; False when the queue is away."""
    try:
        current_app.send_task(f"apps.accounts.tasks.{task}", args=arguments)
    except OperationalError:
        logger.exception("task_not_queued", task=task)
        return False
    return True


def queue_invitation(*, invitation: Invitation, link: str) -> None:
    """Have the invitation mailed; a queue that is away is kept as its mail fault."""
    if not queue("mail_invitation", invitation.digest, link):
        note_mail(digest=invitation.digest, fault=NO_QUEUE)


def queue_password_link(*, link: PasswordLink, address: str) -> bool:
    """Have the link mailed to its user; False when the queue is away."""
    return queue("mail_password_link", link.digest, address)


def queue_verification() -> bool:
    """Have the audit's chain verified; False when the queue is away."""
    return queue("verify_audit")
