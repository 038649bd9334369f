"""Users, tokens and the audit as somebody may see them."""

from django.db.models import QuerySet

from apps.accounts.models import AuditEntry, Token, User
from apps.accounts.policy import AnyUser, Permission, find_scope
from apps.core.errors import NotFound


def administers_everything(user: AnyUser) -> bool:
    """Whether `user` may look at what belongs to no place: users, their tokens, the audit."""
    return find_scope(user, Permission.ADMINISTER).is_everything


def list_own_tokens(user: AnyUser) -> QuerySet[Token]:
    tokens: QuerySet[Token] = Token.objects.select_related("user").order_by("-created")
    return tokens.filter(user=user) if isinstance(user, User) else tokens.none()


def list_tokens(user: AnyUser) -> QuerySet[Token]:
    """The tokens of everybody for an administrator, the own ones for anybody else."""
    if not administers_everything(user):
        return list_own_tokens(user)
    tokens: QuerySet[Token] = Token.objects.select_related("user").order_by("-created")
    return tokens


def pick_token(tokens: QuerySet[Token], public_id: str) -> Token:
    """The token of that public id among `tokens`.

    Raises: NotFound when it is not one of them.
    """
    token = tokens.filter(token_key=public_id).first()
    if token is None:
        raise NotFound("token_unknown", "There is no such token.")
    return token


def list_users(user: AnyUser) -> QuerySet[User]:
    users = User.objects.prefetch_related("roles").order_by("username")
    return users if administers_everything(user) else users.none()


def list_audit(user: AnyUser) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.all() if administers_everything(user) else AuditEntry.objects.none()
