"""Audit entries beside the pages of what they are about."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.urls import reverse

from apps.accounts.algorithms.changes import Change, list_changes
from apps.accounts.models import AuditEntry, Invitation, User
from apps.clients.models import Client, EnrolmentToken, Site, Tag
from apps.tests.models import Test


@dataclass(frozen=True, slots=True)
class Linked:
    """A kind of object that has a page: its model, and the page's address by its id."""

    model: type[Model]
    find_address: Callable[[str], str]


LINKED: Mapping[str, Linked] = {
    "user": Linked(User, lambda key: reverse("dashboard:user", args=[key])),
    "client": Linked(Client, lambda key: reverse("dashboard:client", args=[key])),
    "test": Linked(Test, lambda key: reverse("dashboard:test", args=[key])),
    "site": Linked(Site, lambda _key: reverse("dashboard:places")),
    "tag": Linked(Tag, lambda _key: reverse("dashboard:places")),
    "invitation": Linked(Invitation, lambda _key: reverse("dashboard:invitations")),
    "enrolmenttoken": Linked(EnrolmentToken, lambda _key: reverse("dashboard:enrol")),
}


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An entry with its changes; `address` is empty when its object has no page (any more)."""

    entry: AuditEntry
    changes: tuple[Change, ...]
    address: str

    @property
    def changed_names(self) -> str:
        return ", ".join(change.field for change in self.changes if change.is_changed)


def describe_entries(entries: Iterable[AuditEntry]) -> list[AuditRow]:
    """The entries with links to what still exists; at most one query a kind of object."""
    entries = list(entries)
    existing = find_existing(entries)
    return [
        AuditRow(
            entry=entry,
            changes=tuple(list_changes(entry.before, entry.after)),
            address=find_address(entry, existing),
        )
        for entry in entries
    ]


def find_existing(entries: Iterable[AuditEntry]) -> dict[str, set[str]]:
    """The ids of the entries' objects that there still are, by kind."""
    wanted: dict[str, set[Any]] = defaultdict(set)
    for entry in entries:
        if entry.object_type in LINKED and entry.object_id:
            wanted[entry.object_type].add(entry.object_id)
    return {
        kind: {str(key) for key in list_ids(LINKED[kind].model, keys)}
        for kind, keys in wanted.items()
    }


def list_ids(model: type[Model], keys: Iterable[Any]) -> Iterable[Any]:
    return model._default_manager.filter(pk__in=keys).values_list("pk", flat=True)  # noqa: SLF001 - documented API


def find_address(entry: AuditEntry, existing: Mapping[str, set[str]]) -> str:
    if entry.object_id not in existing.get(entry.object_type, ()):
        return ""
    return LINKED[entry.object_type].find_address(entry.object_id)
