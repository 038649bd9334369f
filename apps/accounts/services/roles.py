"""What users may do: their roles, and that somebody always may do everything."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import transaction

from apps.accounts.models import Role, User
from apps.accounts.places import find_unknown_places
from apps.accounts.policy import forget_roles
from apps.accounts.selectors import has_administrator, is_administrator
from apps.accounts.services.audit import lock_head, record_audit
from apps.accounts.services.inviters import withdraw_invitations
from apps.core.errors import Conflict, FieldError, Invalid, NotFound

ROLES_PER_USER = 100


@dataclass(frozen=True, slots=True)
class Grant:
    """A role to be given: its name, its effect, and where it holds (empty: everywhere)."""

    name: str
    effect: str = Role.Effect.ALLOW
    site_slug: str = ""
    tag_slug: str = ""

    def as_document(self) -> dict[str, str]:
        return {
            "name": str(self.name),
            "effect": str(self.effect),
            "site_slug": self.site_slug,
            "tag_slug": self.tag_slug,
        }


def read_grant(role: Role) -> Grant:
    return Grant(role.name, role.effect, role.site_slug, role.tag_slug)


@contextmanager
def keep_an_administrator() -> Iterator[None]:
    """A transaction that is undone when it would leave nobody who may do everything.

    All such transactions wait for each other, so two cannot each remove the other's last hope.
    Raises: Conflict `last_admin`.
    """
    with transaction.atomic():
        lock_head()
        was_administered = has_administrator()
        yield
        if was_administered and not has_administrator():
            raise Conflict(
                "last_admin",
                "This is the last active administrator of everything; make another one first.",
            )


def check_grants(grants: Sequence[Grant], *, field: str = "roles") -> None:
    """Raises: Invalid naming what is wrong with the roles, and the limit."""
    errors = [error for grant in grants for error in list_wrong_words(grant, field)]
    if len(grants) > ROLES_PER_USER:
        detail = f"must be at most {ROLES_PER_USER} roles, not {len(grants)}"
        errors.append(FieldError(field, "too_many", detail))
    errors += find_unknown_places(
        {grant.site_slug for grant in grants}, {grant.tag_slug for grant in grants}, field=field
    )
    if errors:
        raise Invalid(errors)


def list_wrong_words(grant: Grant, field: str) -> list[FieldError]:
    errors = []
    if grant.name not in Role.Name.values:
        allowed = ", ".join(Role.Name.values)
        errors.append(FieldError(field, "unknown_role", f"{grant.name!r} must be one of {allowed}"))
    if grant.effect not in Role.Effect.values:
        allowed = ", ".join(Role.Effect.values)
        errors.append(
            FieldError(field, "unknown_effect", f"{grant.effect!r} must be one of {allowed}")
        )
    return errors


def set_roles(*, user: User, grants: Iterable[Grant]) -> list[Role]:
    """The user's roles, which are now exactly `grants`; they count from the next request on.

    Open invitations by somebody who no longer administers everything are void.
    Raises: Invalid for an unknown role, effect, site or tag, Conflict `last_admin`.
    """
    wanted = list(dict.fromkeys(grants))
    check_grants(wanted)
    with keep_an_administrator():
        before = describe_roles(user)
        roles = replace_roles(user, wanted)
        after = describe_roles(user)
        if before != after:
            record_audit(
                action="change", target=user, before={"roles": before}, after={"roles": after}
            )
            if not is_administrator(user):
                withdraw_invitations(inviter=user)
    return roles


def replace_roles(user: User, wanted: Sequence[Grant]) -> list[Role]:
    """The roles as stored; nothing is audited here."""
    held = {read_grant(role): role for role in user.roles.all()}
    for grant, role in held.items():
        if grant not in wanted:
            role.delete()
    for grant in wanted:
        if grant not in held:
            Role.objects.create(user=user, **grant.as_document())
    forget_roles(user)
    # Django's admin console asks for this flag before it asks the policy.
    user.is_staff = is_administrator(user)
    user.save(update_fields=["is_staff"])
    return list(user.roles.order_by("pk"))


def add_role(*, user: User, grant: Grant) -> Role:
    """The new role.

    Raises: Conflict `role_exists` when the user has it, Invalid as `set_roles`.
    """
    check_grants([grant])
    # A denial too may take the last administrator's rights away.
    with keep_an_administrator():
        held = [read_grant(role) for role in user.roles.all()]
        if grant in held:
            raise Conflict("role_exists", "The user has this role already.")
        set_roles(user=user, grants=[*held, grant])
        return user.roles.get(**grant.as_document())


def remove_role(*, user: User, role_id: int) -> None:
    """Take that role from the user.

    Raises: NotFound when the user does not have it, Conflict `last_admin`.
    """
    with keep_an_administrator():
        roles = list(user.roles.all())
        if role_id not in {role.pk for role in roles}:
            raise NotFound("role_unknown", "The user has no such role.")
        kept = [read_grant(role) for role in roles if role.pk != role_id]
        set_roles(user=user, grants=kept)


def describe_roles(user: User) -> list[str]:
    return sorted(str(role) for role in Role.objects.filter(user=user))
