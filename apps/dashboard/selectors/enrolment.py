from apps.accounts.models import AuditEntry
from apps.accounts.policy import AnyUser
from apps.clients.models import Client, EnrolmentToken
from apps.clients.selectors import list_clients


def list_enrolled(user: AnyUser, token: EnrolmentToken) -> list[Client]:
    """The clients that the audit says came in with this token, oldest first."""
    if not token.uses:
        return []
    entries = AuditEntry.objects.filter(
        action="enrol",
        object_type="client",
        at__gte=token.created_at,
        after__token=token.name,
    ).values_list("object_id", flat=True)
    clients = list_clients(user).filter(id__in=list(entries[: token.max_uses]))
    return list(clients.order_by("enrolled_at"))
