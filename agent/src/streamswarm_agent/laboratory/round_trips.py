"""What a ledger says about echoes: the truth that a ping through the path must find."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from streamswarm_agent.laboratory.ledger import Entry, Ledger


@dataclass(frozen=True, slots=True)
class Echo:
    """A request and the replies to it, in the order in which they left the far host."""

    request: Entry
    replies: Sequence[Entry]

    @property
    def sound_count(self) -> int:
        """Undamaged replies that went back, copies included."""
        return sum(reply.copies for reply in self.replies if not reply.is_corrupt)

    @property
    def corrupt_count(self) -> int:
        """Damaged replies that went back, copies included."""
        return sum(reply.copies for reply in self.replies if reply.is_corrupt)

    @property
    def held_seconds(self) -> float | None:
        """What the path held it for, there and back; None when no sound reply went back."""
        for reply in self.replies:
            if reply.copies and not reply.is_corrupt:
                return (self.request.held_seconds or 0.0) + (reply.held_seconds or 0.0)
        return None


@dataclass(frozen=True, slots=True)
class EchoTruth:
    """All echoes of one run, in the order of sending."""

    echoes: Sequence[Echo]

    @property
    def sent_count(self) -> int:
        """Requests that came to the path."""
        return len(self.echoes)

    @property
    def unanswered(self) -> list[bool]:
        """Of each, whether no sound reply went back (RFC 2680)."""
        return [echo.sound_count == 0 for echo in self.echoes]

    @property
    def loss_periods(self) -> list[int]:
        """The lengths of the runs of unanswered requests (RFC 3357)."""
        return [len(list(run)) for is_lost, run in groupby(self.unanswered) if is_lost]

    @property
    def sound_count(self) -> int:
        """Undamaged replies."""
        return sum(echo.sound_count for echo in self.echoes)

    @property
    def corrupt_count(self) -> int:
        """Damaged replies."""
        return sum(echo.corrupt_count for echo in self.echoes)

    @property
    def duplicate_count(self) -> int:
        """Sound replies beyond the first of each."""
        return sum(max(echo.sound_count - 1, 0) for echo in self.echoes)

    @property
    def held_seconds(self) -> list[float]:
        """The times that the path held those with a sound reply."""
        held = (echo.held_seconds for echo in self.echoes)
        return [seconds for seconds in held if seconds is not None]

    @property
    def median_held_seconds(self) -> float:
        """The median of them. Raises: StatisticsError when there are none."""
        return median(self.held_seconds)


def match_echoes(ledger: Ledger, target: str) -> EchoTruth:
    """The echoes to the address, of at most 65,536 requests of one prober."""
    replies: dict[int, list[Entry]] = {}
    for reply in ledger.reverse.select(protocol="icmp", source=target):
        replies.setdefault(reply.tag, []).append(reply)
    requests = ledger.forward.select(protocol="icmp", destination=target)
    return EchoTruth([Echo(request, replies.get(request.tag, [])) for request in requests])
