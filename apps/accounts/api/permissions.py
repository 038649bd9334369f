from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.accounts.models import Token
from apps.accounts.policy import Permission, may


class PolicyPermission(BasePermission):
    """The policy at the API's door: reading needs VIEW, writing the view's `write_permission`.

    A token must also carry the matching scope; `admin` contains `write`, which contains `read`.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.method in SAFE_METHODS:
            permission = getattr(view, "read_permission", Permission.VIEW)
        else:
            permission = getattr(view, "write_permission", Permission.OPERATE)
        if isinstance(request.auth, Token) and not has_scope(request.auth, permission):
            return False
        return may(request.user, permission)


def has_scope(token: Token, permission: Permission) -> bool:
    scopes = set(token.scopes)
    wanted = {
        Permission.VIEW: {"read", "write", "admin"},
        Permission.OPERATE: {"write", "admin"},
        Permission.ADMINISTER: {"admin"},
    }
    return bool(scopes & wanted[permission])
