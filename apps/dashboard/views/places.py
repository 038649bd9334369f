"""Sites and tags: looked at by all who see them, changed by those who operate everything."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.policy import Permission, find_scope, require
from apps.clients import services
from apps.clients.models import Site, Tag
from apps.clients.selectors import get_site, get_tag
from apps.core.errors import Conflict, Invalid
from apps.dashboard.forms.places import SiteForm, TagForm, describe_site_form, describe_tag_form
from apps.dashboard.selectors.places import describe_sites, describe_tags, list_naming
from apps.dashboard.topics import OVERVIEW
from apps.dashboard.views.access import PageRequest, page


def may_change_places(request: PageRequest) -> bool:
    return find_scope(request.user, Permission.OPERATE).is_everything


@require_GET
@page(Permission.VIEW)
def list_places(request: PageRequest) -> HttpResponse:
    context = {
        "sites": describe_sites(request.user),
        "tags": describe_tags(request.user),
        "may_change": may_change_places(request),
        "topics": [OVERVIEW],
    }
    return render(request, "dashboard/places.html", context)


@require_http_methods(["GET", "POST"])
@page(Permission.OPERATE)
def make_site(request: PageRequest) -> HttpResponse:
    require(request.user, Permission.OPERATE, is_everywhere=True)
    form = SiteForm(request.POST or None)
    if form.is_valid():
        try:
            services.create_site(**form.cleaned_data)
        except Invalid as error:
            form.take_errors(error)
        else:
            messages.success(request, _("The site is made."))
            return redirect("dashboard:places")
    return render_place(request, form, kind="site")


@require_http_methods(["GET", "POST"])
@page(Permission.OPERATE)
def make_tag(request: PageRequest) -> HttpResponse:
    require(request.user, Permission.OPERATE, is_everywhere=True)
    initial = {"parent": request.GET.get("parent")}
    form = TagForm(request.POST or None, user=request.user, initial=initial)
    if form.is_valid():
        try:
            services.create_tag(**form.cleaned_data)
        except Invalid as error:
            form.take_errors(error)
        else:
            messages.success(request, _("The tag is made."))
            return redirect("dashboard:places")
    return render_place(request, form, kind="tag")


@require_GET
@page(Permission.VIEW)
def show_site(request: PageRequest, site_id: int) -> HttpResponse:
    site = get_site(request.user, site_id)
    return render_place(
        request, SiteForm(initial=describe_site_form(site), site=site), kind="site", place=site
    )


@require_GET
@page(Permission.VIEW)
def show_tag(request: PageRequest, tag_id: int) -> HttpResponse:
    tag = get_tag(request.user, tag_id)
    form = TagForm(initial=describe_tag_form(tag), user=request.user, tag=tag)
    return render_place(request, form, kind="tag", place=tag)


@require_POST
@page(Permission.OPERATE)
def change_site(request: PageRequest, site_id: int) -> HttpResponse:
    site = get_site(request.user, site_id)
    require(request.user, Permission.OPERATE, is_everywhere=True)
    form = SiteForm(request.POST, site=site)
    if form.is_valid():
        try:
            services.change_site(site=site, **form.cleaned_data)
        except Invalid as error:
            form.take_errors(error)
        else:
            messages.success(request, _("Saved."))
            return redirect("dashboard:places")
    return render_place(request, form, kind="site", place=get_site(request.user, site_id))


@require_POST
@page(Permission.OPERATE)
def change_tag(request: PageRequest, tag_id: int) -> HttpResponse:
    tag = get_tag(request.user, tag_id)
    require(request.user, Permission.OPERATE, is_everywhere=True)
    form = TagForm(request.POST, user=request.user, tag=tag)
    if form.is_valid():
        try:
            services.change_tag(tag=tag, **form.cleaned_data)
        except Invalid as error:
            form.take_errors(error)
        else:
            messages.success(request, _("Saved."))
            return redirect("dashboard:places")
    return render_place(request, form, kind="tag", place=get_tag(request.user, tag_id))


@require_POST
@page(Permission.OPERATE)
def delete_site(request: PageRequest, site_id: int) -> HttpResponse:
    site = get_site(request.user, site_id)
    require(request.user, Permission.OPERATE, is_everywhere=True)
    try:
        services.delete_site(site=site)
    except Conflict as error:
        messages.error(request, error.detail)
        return redirect("dashboard:site", site.id)
    messages.success(request, _("%(name)s is deleted.") % {"name": site.name})
    return redirect("dashboard:places")


@require_POST
@page(Permission.OPERATE)
def delete_tag(request: PageRequest, tag_id: int) -> HttpResponse:
    tag = get_tag(request.user, tag_id)
    require(request.user, Permission.OPERATE, is_everywhere=True)
    try:
        services.delete_tag(tag=tag)
    except Conflict as error:
        messages.error(request, error.detail)
        return redirect("dashboard:tag", tag_id)
    messages.success(request, _("%(name)s is deleted.") % {"name": tag.name})
    return redirect("dashboard:places")


def render_place(
    request: PageRequest, form: SiteForm | TagForm, *, kind: str, place: Site | Tag | None = None
) -> HttpResponse:
    may_change = may_change_places(request)
    naming = list_naming(place.slug, f"{kind}s") if place is not None and may_change else []
    context = {
        "form": form,
        "kind": kind,
        "place": place,
        "naming": naming,
        "may_change": may_change,
    }
    template = f"dashboard/place_{kind}.html"
    return render(request, template, context, status=422 if form.errors else 200)
