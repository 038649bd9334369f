"""Sites: by them clients are grouped, and by them roles say where they hold."""

from apps.accounts.services import audited, record_audit
from apps.clients.models import Site
from apps.clients.services.checking import refuse_named, save_checked
from apps.core.errors import Conflict, FieldError, Invalid


@audited()
def create_site(
    *, slug: str, name: str, latitude: float | None = None, longitude: float | None = None
) -> Site:
    """The stored site.

    Raises: Invalid naming each wrong field.
    """
    check_position(latitude, longitude)
    site = Site(slug=slug, name=name, latitude=latitude, longitude=longitude)
    save_checked(site)
    record_audit(action="create", target=site, after=describe_site(site))
    return site


@audited()
def change_site(*, site: Site, name: str, latitude: float | None, longitude: float | None) -> Site:
    """The site with its new name and position; its slug never changes.

    Raises: Invalid naming each wrong field.
    """
    before = describe_site(site)
    check_position(latitude, longitude)
    site.name, site.latitude, site.longitude = name, latitude, longitude
    save_checked(site)
    record_audit(action="change", target=site, before=before, after=describe_site(site))
    return site


@audited()
def delete_site(*, site: Site) -> None:
    """Remove a site.

    Raises: Conflict while clients are there, or a role, an open invitation, a maintenance
    window or a test names it.
    """
    if site.clients.exists():
        raise Conflict("site_in_use", f"There are clients at the site {site.name!r}.")
    refuse_named(site)
    record_audit(action="delete", target=site, before=describe_site(site))
    site.delete()


def check_position(latitude: float | None, longitude: float | None) -> None:
    """Raises: Invalid for a coordinate out of range, or one without the other."""
    errors = [
        FieldError(field, "out_of_range", f"must be from -{limit} to {limit} degrees")
        for field, value, limit in (("latitude", latitude, 90), ("longitude", longitude, 180))
        if value is not None and not -limit <= value <= limit
    ]
    if not errors and (latitude is None) != (longitude is None):
        field = "latitude" if latitude is None else "longitude"
        errors.append(FieldError(field, "required", "is needed with the other coordinate"))
    if errors:
        raise Invalid(errors)


def describe_site(site: Site) -> dict[str, object]:
    return {
        "slug": site.slug,
        "name": site.name,
        "latitude": site.latitude,
        "longitude": site.longitude,
    }
