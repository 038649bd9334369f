from collections.abc import Sequence

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.policy import Permission
from apps.accounts.services.mail_test import MailTestTo, send_test_message
from apps.accounts.services.settings import change_settings, reset_settings
from apps.accounts.setting_selectors import ServerSetting, list_server_settings
from apps.configuration.definitions import BY_NAME, GROUPS
from apps.core.errors import Conflict, Invalid
from apps.dashboard.forms.server_settings import SettingsForm
from apps.dashboard.views.access import PageRequest, page


@require_GET
@page(Permission.ADMINISTER)
def show_settings(request: PageRequest) -> HttpResponse:
    settings = list_server_settings(request.user)
    return render_settings(request, settings)


@require_POST
@page(Permission.ADMINISTER)
def save_group(request: PageRequest) -> HttpResponse:
    settings = list_server_settings(request.user)
    group = request.POST.get("group", "")
    if group not in GROUPS:
        raise Http404
    form = SettingsForm(request.POST, group=group, settings=settings)
    if form.is_valid():
        try:
            change_settings(values=form.read_changes())
        except Invalid as error:
            form.take_errors(error)
        else:
            messages.success(request, _("Saved: %(group)s.") % {"group": form.title})
            return redirect_to(group)
    return render_settings(request, settings, wrong=form)


@require_POST
@page(Permission.ADMINISTER)
def reset_setting(request: PageRequest) -> HttpResponse:
    list_server_settings(request.user)
    name = request.POST.get("name", "")
    reset_settings(names=[name])
    messages.success(request, _("The environment's value holds again."))
    return redirect_to(BY_NAME[name].group)


@require_POST
@page(Permission.ADMINISTER)
def test_mail(request: PageRequest) -> HttpResponse:
    list_server_settings(request.user)
    is_for_all = request.POST.get("to") == MailTestTo.ALERT_RECIPIENTS
    to = MailTestTo.ALERT_RECIPIENTS if is_for_all else MailTestTo.ME
    try:
        addresses = send_test_message(user=request.user, to=to)
    except Conflict as error:
        context = {"fault": error.detail}
    else:
        context = {"sent_to": ", ".join(addresses)}
    if request.htmx:
        return render(request, "dashboard/server_settings_mail.html", context)
    if "fault" in context:
        messages.error(request, context["fault"])
    else:
        messages.success(request, _("Sent to %(sent_to)s.") % context)
    return redirect_to("mail")


def redirect_to(group: str) -> HttpResponse:
    return redirect(f"{reverse('dashboard:settings')}#{group}")


def render_settings(
    request: PageRequest, settings: Sequence[ServerSetting], wrong: SettingsForm | None = None
) -> HttpResponse:
    used = {one.state.definition.group for one in settings}
    forms = [
        wrong if wrong and wrong.group == group else SettingsForm(group=group, settings=settings)
        for group in GROUPS
        if group in used
    ]
    status = 422 if wrong else 200
    return render(request, "dashboard/server_settings.html", {"forms": forms}, status=status)
