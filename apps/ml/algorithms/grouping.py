"""Which findings belong together: those about one client at about one time."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

# What comes so long after another is still of the same event, as long as that lasts no longer.
LONGEST_PAUSE: Final = timedelta(minutes=10)
LONGEST_SPAN: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """When something was found about a client."""

    id: UUID
    client_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Group:
    """From when to when its findings began."""

    id: UUID
    client_id: UUID
    first_at: datetime
    last_at: datetime

    def takes(self, at: datetime) -> bool:
        """Whether a finding of that time is near, and leaves the group short enough."""
        first, last = min(self.first_at, at), max(self.last_at, at)
        pause = max(self.first_at - at, at - self.last_at)
        return pause <= LONGEST_PAUSE and last - first <= LONGEST_SPAN

    def add(self, at: datetime) -> "Group":
        return replace(self, first_at=min(self.first_at, at), last_at=max(self.last_at, at))


def assign_groups(moments: Iterable[Moment], known: Sequence[Group]) -> dict[UUID, UUID]:
    """The group of each moment, by its id: the newest that takes it, else one of its own.

    Oldest first, so that the order in which they are given changes nothing.
    """
    by_client: dict[UUID, list[Group]] = defaultdict(list)
    for group in sorted(known, key=lambda one: one.first_at):
        by_client[group.client_id].append(group)
    chosen: dict[UUID, UUID] = {}
    for moment in sorted(moments, key=lambda one: (one.at, str(one.id))):
        groups = by_client[moment.client_id]
        place = next(
            (index for index in reversed(range(len(groups))) if groups[index].takes(moment.at)),
            None,
        )
        if place is None:
            groups.append(Group(moment.id, moment.client_id, moment.at, moment.at))
            place = len(groups) - 1
        else:
            groups[place] = groups[place].add(moment.at)
        chosen[moment.id] = groups[place].id
    return chosen
