"""Maintenance windows with what their list shows of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.accounts.policy import AnyUser
from apps.clients.algorithms.recurrence import Occurrence, take_occurrences
from apps.clients.algorithms.recurrence_words import describe_recurrence
from apps.clients.models import Client, MaintenanceWindow, Site, Tag
from apps.clients.selectors import count_selected, list_operable, list_windows, read_recurrence
from apps.core.clock import read_now

PAST_SHOWN = 50
NAMES_SHOWN = 3

Names = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class WindowRow:
    """A line of the list: `coming` is what is going on, or else comes next."""

    window: MaintenanceWindow
    words: str
    selected: str
    client_count: int
    coming: Occurrence | None
    is_active: bool
    may_change: bool


@dataclass(frozen=True, slots=True)
class WindowLists:
    """The windows by what they are now; the coming ones by their next start."""

    active: Sequence[WindowRow]
    coming: Sequence[WindowRow]
    past: Sequence[WindowRow]

    @property
    def is_empty(self) -> bool:
        return not (self.active or self.coming or self.past)


def describe_windows(user: AnyUser) -> WindowLists:
    """The windows that `user` sees; the same few queries for any number of them."""
    windows = list(list_windows(user))
    counts = count_selected(user, {window.id: window.selector for window in windows})
    operable = list_operable(user, windows)
    names = read_names(windows)
    now = read_now()
    rows = []
    for window in windows:
        recurrence = read_recurrence(window)
        coming = next(iter(take_occurrences(recurrence, start=now, count=1)), None)
        rows.append(
            WindowRow(
                window=window,
                words=describe_recurrence(recurrence),
                selected=describe_selected(window.selector, names),
                client_count=counts[window.id],
                coming=coming,
                is_active=coming is not None and coming.start <= now,
                may_change=window.id in operable,
            )
        )
    ahead = [(row.coming.start, row) for row in rows if row.coming and not row.is_active]
    return WindowLists(
        active=[row for row in rows if row.is_active],
        coming=[row for _start, row in sorted(ahead, key=lambda pair: pair[0])],
        past=[row for row in rows if row.coming is None][:PAST_SHOWN],
    )


def read_names(windows: Sequence[MaintenanceWindow]) -> Names:
    """What is called by the slugs and ids of the windows' selectors; three queries."""
    wanted: dict[str, set[str]] = {
        name: {value for window in windows for value in window.selector.get(name, ())}
        for name in ("sites", "tags", "clients")
    }
    clients = Client.objects.filter(id__in=wanted["clients"]).values_list("id", "name")
    return {
        "sites": dict(Site.objects.filter(slug__in=wanted["sites"]).values_list("slug", "name")),
        "tags": dict(Tag.objects.filter(slug__in=wanted["tags"]).values_list("slug", "name")),
        "clients": {str(client_id): name for client_id, name in clients},
    }


def describe_selected(selector: Mapping[str, Any], names: Names) -> str:
    """As "Vienna or Graz, edge"; every client for a selector without members."""
    called = {
        kind: [names[kind].get(value, value) for value in selector.get(kind, ())] for kind in names
    }
    shown, more = called["clients"][:NAMES_SHOWN], len(called["clients"]) - NAMES_SHOWN
    parts = [
        " or ".join(called["sites"]),
        " and ".join(called["tags"]),
        ", ".join(shown) + (f" and {more} more" if more > 0 else ""),
    ]
    return ", ".join(filter(None, parts)) or "every client"
