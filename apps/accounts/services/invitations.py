"""Invitations: a link that lets one person make an account with the roles that wait behind it."""

from collections.abc import Sequence
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import Q

from apps.accounts.algorithms.link_secrets import digest_secret, make_secret
from apps.accounts.models import Invitation, User
from apps.accounts.selectors import find_invitation
from apps.accounts.services.audit import audited, record_audit
from apps.accounts.services.inviters import describe_invitation
from apps.accounts.services.roles import Grant, check_grants
from apps.accounts.services.users import create_user
from apps.core.clock import read_now
from apps.core.errors import Conflict, FieldError, Invalid

MINIMUM_LIFE = timedelta(hours=1)
MAXIMUM_LIFE = timedelta(days=30)
DEFAULT_LIFE = timedelta(days=7)
# Who invited whom stays in the audit.
KEPT_AFTER_END = timedelta(days=30)
EMAIL_LENGTH = 254
FAULT_LENGTH = 255


@audited()
def invite(
    *,
    email: str,
    grants: Sequence[Grant],
    invited_by: User | None,
    life: timedelta = DEFAULT_LIFE,
) -> tuple[Invitation, str]:
    """The stored invitation and the secret of its link, which is never to be had again.

    Raises: Invalid naming each wrong field and its limit.
    """
    wanted = list(dict.fromkeys(grants))
    check_invitation(email=email.strip(), grants=wanted, life=life)
    now = read_now()
    secret = make_secret()
    invitation = Invitation.objects.create(
        email=email.strip(),
        digest=digest_secret(secret),
        roles=[grant.as_document() for grant in wanted],
        invited_by=invited_by,
        created_at=now,
        expires_at=now + life,
    )
    record_audit(action="create", target=invitation, after=describe_invitation(invitation))
    return invitation, secret


def check_invitation(*, email: str, grants: Sequence[Grant], life: timedelta) -> None:
    errors = []
    try:
        validate_email(email)
    except ValidationError:
        errors.append(FieldError("email", "invalid", "must be an e-mail address"))
    if len(email) > EMAIL_LENGTH:
        detail = f"must have at most {EMAIL_LENGTH} characters"
        errors.append(FieldError("email", "length", detail))
    if not grants:
        errors.append(FieldError("roles", "required", "must be at least one role"))
    if not MINIMUM_LIFE <= life <= MAXIMUM_LIFE:
        errors.append(
            FieldError("life_hours", "out_of_range", "must be from 1 hour to 30 days (720 hours)")
        )
    try:
        check_grants(grants)
    except Invalid as error:
        errors += error.errors
    if errors:
        raise Invalid(errors)


@audited()
def renew_invitation(*, invitation: Invitation) -> str:
    """A new secret for an invitation that nobody has accepted; the earlier link is void.

    It lives as long again as it did at first. Raises: Conflict `invitation_closed` when it was
    accepted or revoked.
    """
    row = lock_open(invitation)
    before = describe_invitation(row)
    life = row.expires_at - row.created_at
    secret = make_secret()
    row.digest = digest_secret(secret)
    row.created_at = read_now()
    row.expires_at = row.created_at + life
    row.sent_at, row.mail_fault = None, ""
    row.save()
    record_audit(action="renew", target=row, before=before, after=describe_invitation(row))
    invitation.refresh_from_db()
    return secret


@audited()
def revoke_invitation(*, invitation: Invitation) -> None:
    """Void the invitation's link.

    Raises: Conflict `invitation_closed` when it was accepted or revoked before.
    """
    row = lock_open(invitation)
    row.revoked_at = read_now()
    row.save(update_fields=["revoked_at"])
    record_audit(action="revoke", target=row, before=describe_invitation(row))
    invitation.refresh_from_db()


def lock_open(invitation: Invitation) -> Invitation:
    row = Invitation.objects.select_for_update().get(pk=invitation.pk)
    if row.accepted_at is not None or row.revoked_at is not None:
        what = "accepted" if row.accepted_at is not None else "revoked"
        raise Conflict("invitation_closed", f"This invitation was {what} already.")
    return row


@audited()
def accept_invitation(
    *, secret: str, username: str, first_name: str, last_name: str, password: str
) -> User:
    """The new user, with the invitation's roles and e-mail address; the link is used up.

    Raises: NotFound for a link that is unknown, used, revoked or expired, Invalid naming each
    wrong field.
    """
    invitation = find_invitation(secret, is_locked=True)
    user = create_user(
        username=username,
        email=invitation.email,
        first_name=first_name,
        last_name=last_name,
        password=password,
        grants=[Grant(**role) for role in invitation.roles],
    )
    invitation.accepted_at = read_now()
    invitation.accepted_by = user
    invitation.save(update_fields=["accepted_at", "accepted_by"])
    record_audit(action="accept", target=invitation, after={"user": user.username})
    return user


def note_mail(*, digest: str, fault: str = "") -> None:
    """Keep when the invitation of that digest was mailed, or why it could not be."""
    sent_at = None if fault else read_now()
    Invitation.objects.filter(digest=digest).update(
        sent_at=sent_at, mail_fault=fault[:FAULT_LENGTH]
    )


def forget_invitations() -> int:
    """How many were removed: accepted, revoked or expired more than 30 days ago."""
    before = read_now() - KEPT_AFTER_END
    ended = Q(accepted_at__lt=before) | Q(revoked_at__lt=before) | Q(expires_at__lt=before)
    count, _by_model = Invitation.objects.filter(ended).delete()
    return count
