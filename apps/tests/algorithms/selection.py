"""Which clients run a test that asks for any N, or for all, of those that match.

Who has it keeps it: nothing moves unless a client went away, and nothing moves back.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Candidate:
    """A client that matches the selector, as far as choosing is concerned.

    `booked` is the share of its time that its other tests take; several at once add up beyond 1.
    """

    client_id: UUID
    site: str
    is_assigned: bool
    is_online: bool
    is_offline: bool
    is_capable: bool
    has_room: bool
    booked: float = 0.0

    @property
    def is_eligible(self) -> bool:
        """Whether a test may newly be given to it."""
        return self.is_online and self.is_capable and self.has_room

    @property
    def is_kept(self) -> bool:
        """Whether it keeps a test that it has, whatever others there are."""
        return self.is_assigned and self.is_capable and not self.is_offline


def choose_any(candidates: Iterable[Candidate], wanted: int) -> tuple[UUID, ...]:
    """The ids of at most `wanted` clients, in no particular order.

    First who has the test and is not offline; then eligible others, in turn from the sites that
    have the fewest so far, the least booked first; then those offline ones that had it, for as
    long as there is nobody better.
    """
    known = sorted(candidates, key=rank)
    chosen: list[Candidate] = []
    groups = (
        [one for one in known if one.is_kept],
        [one for one in known if not one.is_assigned and one.is_eligible],
        [one for one in known if one.is_assigned and one.is_capable and one.is_offline],
    )
    for group in groups:
        chosen += spread(group, wanted - len(chosen), chosen)
    return tuple(one.client_id for one in chosen)


def spread(group: Sequence[Candidate], count: int, chosen: Sequence[Candidate]) -> list[Candidate]:
    """At most `count` of the ranked group, each of a site that has the fewest chosen by then."""
    per_site = Counter(one.site for one in chosen)
    queues: dict[str, list[Candidate]] = {}
    for one in reversed(group):
        queues.setdefault(one.site, []).append(one)
    taken: list[Candidate] = []
    while queues and len(taken) < count:
        site = min(queues, key=lambda name: (per_site[name], *rank(queues[name][-1])))
        taken.append(queues[site].pop())
        per_site[site] += 1
        if not queues[site]:
            del queues[site]
    return taken


def rank(one: Candidate) -> tuple[float, str]:
    """The order within a site: the least booked first, then any that stays the same."""
    return one.booked, str(one.client_id)


def choose_all(candidates: Iterable[Candidate]) -> tuple[UUID, ...]:
    """The ids of all that can run the test, online or not, and have room for it or have it."""
    return tuple(
        one.client_id for one in candidates if one.is_capable and (one.has_room or one.is_assigned)
    )
