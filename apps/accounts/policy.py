"""The one policy: what a user may do, and on which clients. Pages, API, sockets and admin ask here.

A role allows (or denies) its permission on the clients of a site, of a tag, or on all.
Without a role nothing is allowed; a denial beats every permission of the same place.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from django.contrib.auth.models import AnonymousUser
from django.db.models import Model, Q, QuerySet

from apps.accounts.models import Role, User
from apps.core.errors import NotAuthenticated, Refused

AnyUser = User | AnonymousUser


class Permission(StrEnum):
    """What can be asked for; each contains the ones before it."""

    VIEW = "view"
    OPERATE = "operate"
    ADMINISTER = "administer"


ROLE_PERMISSIONS: dict[str, frozenset[Permission]] = {
    Role.Name.VIEWER: frozenset({Permission.VIEW}),
    Role.Name.OPERATOR: frozenset({Permission.VIEW, Permission.OPERATE}),
    Role.Name.ADMIN: frozenset(Permission),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Some of the clients: those of a site, those with a tag, both, or (both empty) all."""

    site_slug: str = ""
    tag_slug: str = ""

    @property
    def is_everywhere(self) -> bool:
        return not self.site_slug and not self.tag_slug

    def holds(self, site_slug: str, tag_slugs: Iterable[str]) -> bool:
        is_site_right = not self.site_slug or self.site_slug == site_slug
        return is_site_right and (not self.tag_slug or self.tag_slug in set(tag_slugs))


@dataclass(frozen=True, slots=True)
class Scope:
    """The clients on which one permission holds for one user."""

    allowed: tuple[Place, ...] = ()
    denied: tuple[Place, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.allowed or any(place.is_everywhere for place in self.denied)

    @property
    def is_everything(self) -> bool:
        return not self.denied and any(place.is_everywhere for place in self.allowed)

    def covers(self, site_slug: str, tag_slugs: Iterable[str]) -> bool:
        tags = frozenset(tag_slugs)
        if any(place.holds(site_slug, tags) for place in self.denied):
            return False
        return any(place.holds(site_slug, tags) for place in self.allowed)


EVERYTHING = Scope(allowed=(Place(),))
NOTHING = Scope()


def find_scope(user: AnyUser, permission: Permission) -> Scope:
    """Where `user` holds `permission`; one query, remembered on the user object."""
    if not isinstance(user, User) or not user.is_active:
        return NOTHING
    roles = [role for role in load_roles(user) if permission in ROLE_PERMISSIONS[role.name]]
    allowed = [role for role in roles if role.effect == Role.Effect.ALLOW]
    # A denial of looking takes everything else with it; one of operating leaves looking.
    denied = [role for role in load_roles(user) if denies(role, permission)]
    return Scope(
        allowed=tuple(Place(role.site_slug, role.tag_slug) for role in allowed),
        denied=tuple(Place(role.site_slug, role.tag_slug) for role in denied),
    )


def denies(role: Role, permission: Permission) -> bool:
    """Whether a denying role takes `permission`: denying "operator" takes operating and above."""
    if role.effect != Role.Effect.DENY:
        return False
    order = list(Permission)
    highest_kept = {Role.Name.VIEWER: 0, Role.Name.OPERATOR: 1, Role.Name.ADMIN: 2}
    return order.index(permission) >= highest_kept[Role.Name(role.name)]


def load_roles(user: User) -> list[Role]:
    roles: list[Role] | None = getattr(user, "_policy_roles", None)
    if roles is None:
        roles = list(user.roles.all())
        user._policy_roles = roles  # type: ignore[attr-defined]  # noqa: SLF001 - cache of one request
    return roles


def build_onlooker() -> User:
    """Who looks on the server's own behalf, as its commands do: sees all, is stored nowhere."""
    user = User(username="", is_active=True)
    user._policy_roles = [Role(name=Role.Name.VIEWER)]  # type: ignore[attr-defined]  # noqa: SLF001 - as above
    return user


def forget_roles(user: User) -> None:
    """After a change of its roles the object asks the database again."""
    for name in ("_policy_roles", "_prefetched_objects_cache"):
        user.__dict__.pop(name, None)


def may(user: AnyUser, permission: Permission) -> bool:
    """Whether `user` holds `permission` anywhere at all."""
    return not find_scope(user, permission).is_empty


def require(user: AnyUser, permission: Permission, *, is_everywhere: bool = False) -> Scope:
    """The scope of `permission`.

    Raises: NotAuthenticated without a user, Refused when the user holds it nowhere
    (or, with `is_everywhere`, not on everything).
    """
    if not user.is_authenticated:
        raise NotAuthenticated("not_authenticated", "Sign in first.")
    scope = find_scope(user, permission)
    if scope.is_empty or (is_everywhere and not scope.is_everything):
        raise Refused("refused", f"Your role does not allow you to {permission} here.")
    return scope


Row = TypeVar("Row", bound=Model)


def narrow(
    rows: QuerySet[Row], scope: Scope, *, build_filter: Callable[[Place], Q]
) -> QuerySet[Row]:
    """`rows` inside `scope`; `build_filter` says what a place means for this model."""
    if scope.is_everything:
        return rows
    if scope.is_empty:
        return rows.none()
    allowed = Q()
    for place in scope.allowed:
        if place.is_everywhere:
            allowed = Q()
            break
        allowed |= build_filter(place)
    for place in scope.denied:
        allowed &= ~build_filter(place)
    return rows.filter(allowed)
