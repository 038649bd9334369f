"""Finding the streams of numbers of a client."""

from collections.abc import Sequence
from uuid import UUID

from apps.core.errors import FieldError, Invalid, NotFound
from apps.metrics.models import Latest, Source

ASSIGNMENT_KIND = "assignment"
NAMED_AT_MOST = 8


def find_source(client_id: UUID, kind: str, subject: str = "") -> Source | None:
    return Source.objects.filter(client_id=client_id, kind=kind, subject=subject).first()


def find_sources_of_clients(client_ids: Sequence[UUID], kind: str) -> dict[UUID, int]:
    """The id of each client's source of that kind without a subject; only of those who have one."""
    rows = Source.objects.filter(client_id__in=client_ids, kind=kind, subject="")
    return dict(rows.values_list("client_id", "id"))


def list_sources(client_id: UUID) -> list[Source]:
    return list(Source.objects.filter(client_id=client_id).order_by("kind", "subject"))


def find_host_source(
    *, client_id: UUID, key: str, kind: str = "", subject: str | None = None
) -> Source:
    """The client's source (of no assignment) that has `key`, among those of `kind` and `subject`.

    Raises: NotFound when there is none, Invalid naming the subjects when there are several.
    """
    rows = Source.objects.filter(client_id=client_id).exclude(kind=ASSIGNMENT_KIND)
    if kind:
        rows = rows.filter(kind=kind)
    if subject is not None:
        rows = rows.filter(subject=subject)
    found = list(rows.order_by("kind", "subject"))
    if len(found) > 1:
        keys = list_keys([source.id for source in found])
        found = [source for source in found if key in keys.get(source.id, ())]
    if not found:
        raise NotFound("source_unknown", f"This client has not sent {key!r} from such a source.")
    if len(found) > 1:
        names = ", ".join(str(source) for source in found[:NAMED_AT_MOST])
        detail = f"must say which of {len(found)} sources is meant ({names})"
        raise Invalid([FieldError("subject", "ambiguous", detail)])
    return found[0]


def list_keys(source_ids: Sequence[int]) -> dict[int, list[str]]:
    """The metric keys of each source's newest frame."""
    rows = Latest.objects.filter(source_id__in=source_ids).values_list("source_id", "layout__keys")
    return dict(rows)
