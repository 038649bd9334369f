"""Which clients are meant: some by name, or all of some sites that carry some tags."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.core.errors import FieldError


@dataclass(frozen=True, slots=True)
class Selector:
    """Clients of any of `sites` with all of `tags`, or any of `client_ids`; empty means all.

    Sites and tags are named by their slugs, which never change and are never used again for
    something else while a selector names them: a deleted one matches nothing.
    """

    sites: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    client_ids: tuple[UUID, ...] = ()

    @property
    def is_everything(self) -> bool:
        return not (self.sites or self.tags or self.client_ids)

    def as_document(self) -> dict[str, list[str]]:
        """The stored form: three sorted lists."""
        return {
            "sites": sorted(self.sites),
            "tags": sorted(self.tags),
            "clients": sorted(str(client_id) for client_id in self.client_ids),
        }


def parse_selector(document: Mapping[str, Any]) -> Selector:
    """The selector of a stored document.

    Raises: ValueError for a member that is no list of texts, KeyError for an unknown member.
    """
    unknown = sorted(set(document) - {"sites", "tags", "clients"})
    if unknown:
        raise KeyError(unknown[0])
    lists = {name: document.get(name, []) for name in ("sites", "tags", "clients")}
    for name, values in lists.items():
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise ValueError(f"{name} must be a list of texts")
    return Selector(
        sites=tuple(dict.fromkeys(lists["sites"])),
        tags=tuple(dict.fromkeys(lists["tags"])),
        client_ids=tuple(UUID(value) for value in dict.fromkeys(lists["clients"])),
    )


def read_selector(document: Mapping[str, Any]) -> tuple[Selector, list[FieldError]]:
    """The selector that somebody asks for, an empty one with the error when it is malformed."""
    try:
        return parse_selector(document), []
    except KeyError as error:
        detail = f"has no member {error.args[0]!r}; it takes sites, tags and clients"
        return Selector(), [FieldError("selector", "unknown_member", detail)]
    except ValueError as error:
        return Selector(), [FieldError("selector", "malformed", str(error))]
