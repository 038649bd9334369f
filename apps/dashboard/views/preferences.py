from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from apps.accounts.policy import Permission
from apps.accounts.services import set_theme
from apps.dashboard.views.access import PageRequest, page


@require_POST
@page(Permission.VIEW)
def choose_theme(request: PageRequest) -> HttpResponse:
    set_theme(user=request.user, theme=request.POST.get("theme", ""))
    back = request.POST.get("next", "/")
    is_own = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()})
    return redirect(back if is_own else "/")
