"""What becomes of invitations when whoever made them may invite no more."""

from apps.accounts.models import Invitation, User
from apps.accounts.services.audit import audited, record_audit
from apps.core.clock import read_now


def describe_invitation(invitation: Invitation) -> dict[str, object]:
    """What the audit keeps of an invitation: never its digest."""
    return {
        "email": invitation.email,
        "roles": invitation.roles,
        "expires_at": invitation.expires_at,
    }


@audited()
def withdraw_invitations(*, inviter: User) -> int:
    """How many invitations by that user nobody had accepted; they are void now."""
    waiting = Invitation.objects.select_for_update().filter(
        invited_by=inviter, accepted_at=None, revoked_at=None
    )
    rows = list(waiting)
    for row in rows:
        row.revoked_at = read_now()
        row.save(update_fields=["revoked_at"])
        record_audit(action="revoke", target=row, before=describe_invitation(row))
    return len(rows)
