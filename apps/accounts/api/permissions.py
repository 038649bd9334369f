from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from apps.accounts.models import Token
from apps.accounts.policy import Permission, find_scope
from apps.accounts.selectors import administers_everything

if TYPE_CHECKING:
    # At run time a circle: that module loads the default permissions, which are these.
    from rest_framework.views import APIView

METRICS, READ = Token.Scope.METRICS, Token.Scope.READ
WRITE, ADMIN = Token.Scope.WRITE, Token.Scope.ADMIN
# A wider scope contains the narrower ones.
CARRIERS = {
    METRICS: {METRICS, READ, WRITE, ADMIN},
    READ: {READ, WRITE, ADMIN},
    WRITE: {WRITE, ADMIN},
    ADMIN: {ADMIN},
}


class PolicyPermission(BasePermission):
    """The policy at the API's door; which objects a request reaches is for the selectors.

    Reading needs the view's `read_permission` (VIEW), anything else its `write_permission`
    (OPERATE). A token must carry the matching scope too.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if request.method in SAFE_METHODS:
            permission = getattr(view, "read_permission", Permission.VIEW)
        else:
            permission = getattr(view, "write_permission", Permission.OPERATE)
        return holds(request, permission)


class NumbersPermission(BasePermission):
    """The door of what only reads numbers, also where a long question is sent by POST.

    A token needs no more than the scope `metrics`.
    """

    def has_permission(self, request: Request, _view: "APIView") -> bool:
        return (
            carries_scope(request, METRICS)
            and not find_scope(request.user, Permission.VIEW).is_empty
        )


def holds(request: Request, permission: Permission) -> bool:
    """Whether the request's user has `permission` somewhere, and its token the scope for it.

    To administer means everything there is, because users and the audit belong to no place.
    """
    if permission == Permission.ADMINISTER:
        return carries_scope(request, ADMIN) and administers_everything(request.user)
    scope = READ if request.method in SAFE_METHODS else WRITE
    return carries_scope(request, scope) and not find_scope(request.user, permission).is_empty


def carries_scope(request: Request, scope: Token.Scope) -> bool:
    """True for a session, which is not limited; for a token if it has the scope or a wider one."""
    if not isinstance(request.auth, Token):
        return True
    return not CARRIERS[scope].isdisjoint(request.auth.scopes)
