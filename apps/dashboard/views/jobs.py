"""Background work: what runs, waits and was given up, and what is done about it."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.policy import Permission
from apps.core.errors import Conflict
from apps.dashboard.selectors.jobs import describe_jobs
from apps.dashboard.views.access import PageRequest, page
from apps.jobs import services
from apps.jobs.registry import name_kind
from apps.jobs.selectors import get_job


@require_GET
@page(Permission.ADMINISTER)
def list_jobs_page(request: PageRequest) -> HttpResponse:
    context = {"jobs": describe_jobs(request.user)}
    folder = "dashboard/partials/_" if request.htmx else "dashboard/"
    return render(request, f"{folder}jobs.html", context)


@require_POST
@page(Permission.ADMINISTER)
def retry_job(request: PageRequest, job_id: UUID) -> HttpResponse:
    job = get_job(request.user, job_id)
    try:
        services.retry_job(job=job)
    except Conflict as error:
        messages.warning(request, error.detail)
    else:
        messages.success(request, _("%(job)s is tried again.") % {"job": name_kind(job.kind)})
    return redirect("dashboard:jobs")


@require_POST
@page(Permission.ADMINISTER)
def discard_job(request: PageRequest, job_id: UUID) -> HttpResponse:
    job = get_job(request.user, job_id)
    try:
        services.discard_job(job=job)
    except Conflict as error:
        messages.warning(request, error.detail)
    else:
        messages.success(request, _("%(job)s is discarded.") % {"job": name_kind(job.kind)})
    return redirect("dashboard:jobs")
