"""The faults of simulated deliveries, and the account of every frame under all of them."""

import math
import random
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import islice

from streamswarm_agent.wire.batches import MAXIMUM_RECORDS
from streamswarm_agent.wire.messages import RecordsAnswer
from streamswarm_agent.wire.records import SpooledRecord

LONGEST_LATE_SECONDS = 6.9 * 86_400
_SHORTEST_LATE_SECONDS = 60.0
_COPIES_FROM = 1 << 40
_KEPT_LATENCIES = 100_000


@dataclass(frozen=True, slots=True)
class Faults:
    """What befalls frames on their way; shares of all frames, 0 to 1.

    `late_share` are measured up to 6.9 days ago, `duplicate_share` are sent twice, and
    `is_shuffled` mixes records within batches and over them.
    """

    late_share: float = 0.0
    duplicate_share: float = 0.0
    is_shuffled: bool = False

    def draw_delay_seconds(self, rng: random.Random) -> float:
        """How long ago the next frame was measured: 0 unless it is a late one."""
        if rng.random() >= self.late_share:
            return 0.0
        return rng.uniform(_SHORTEST_LATE_SECONDS, LONGEST_LATE_SECONDS)


@dataclass(slots=True)
class Tally:
    """What became of everything that was sent, summed over all clients.

    `copies` are frames sent a second time on purpose, `doubled` those that were stored twice,
    `unexplained_duplicate` those called a duplicate though nobody can have stored them before.
    """

    frames: int = 0
    copies: int = 0
    late: int = 0
    dropped_out: int = 0
    requests: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    taken: int = 0
    stored: int = 0
    duplicate: int = 0
    doubled: int = 0
    unexplained_duplicate: int = 0
    rejections: Counter[str] = field(default_factory=Counter)
    latencies_seconds: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT_LATENCIES))

    @property
    def unanswered(self) -> int:
        answered = self.stored + self.doubled + self.duplicate + self.rejections.total()
        return self.frames + self.copies - answered

    @property
    def is_exactly_once(self) -> bool:
        """Whether each frame was taken exactly once, and every duplicate has its reason."""
        return (
            self.frames > 0
            and self.taken == self.frames
            and self.unanswered == 0
            and self.rejections.total() == 0
            and self.doubled == 0
            and self.unexplained_duplicate == 0
        )


@dataclass(slots=True)
class _Standing:
    """What is known of a frame of which a copy is still unanswered."""

    copies_left: int
    is_stored: bool = False
    is_maybe_stored: bool = False
    is_taken: bool = False


class Outbox:
    """The frames of one client that wait for an answer."""

    def __init__(
        self,
        faults: Faults,
        tally: Tally,
        rng: random.Random,
        *,
        frames_per_request: int | None,
        on_taken: Callable[[SpooledRecord], None],
    ) -> None:
        """`on_taken` is told each frame once, when the server has said that it has it.

        Without `frames_per_request` a request takes all that waits, 500 at most.
        """
        self._faults = faults
        self._tally = tally
        self._rng = rng
        self._frames_per_request = frames_per_request
        self._on_taken = on_taken
        self._waiting: dict[str, SpooledRecord] = {}
        self._copies_of_later: list[SpooledRecord] = []
        self._standings: dict[int, _Standing] = {}

    @property
    def is_empty(self) -> bool:
        return not self._waiting and not self._copies_of_later

    def add(self, record: SpooledRecord) -> None:
        """Put a frame in; its copy, if it gets one, goes into a later request unless shuffled."""
        self._tally.frames += 1
        self._waiting[str(record.id)] = record
        self._standings[record.id] = _Standing(copies_left=1)
        if self._rng.random() < self._faults.duplicate_share:
            self._tally.copies += 1
            self._standings[record.id].copies_left += 1
            self._copies_of_later.append(replace(record, id=record.id + _COPIES_FROM))
            if self._faults.is_shuffled:
                self._release_copies()

    def pick(self, *, is_last: bool = False) -> list[SpooledRecord]:
        """The records of the next request; empty while too few wait, unless they are the last."""
        count = min(self._count_due(is_last=is_last), MAXIMUM_RECORDS)
        if self._faults.is_shuffled:
            records = self._rng.sample(list(self._waiting.values()), count)
        else:
            records = list(islice(self._waiting.values(), count))
        if count or is_last:
            self._release_copies()
        return records

    def note_failure(self, records: Iterable[SpooledRecord]) -> None:
        """Remember that these may be stored, though their answer was lost."""
        for record in records:
            self._standings[record.id % _COPIES_FROM].is_maybe_stored = True

    def account(self, answer: RecordsAnswer) -> None:
        """Book an answer; what it does not name goes on waiting."""
        for record_id in answer.stored:
            self._book_stored(record_id)
        for record_id in answer.duplicate:
            self._book_duplicate(record_id)
        for rejection in answer.rejected:
            if self._pop(rejection.id) is not None:
                self._tally.rejections[f"{rejection.code} {rejection.field}".strip()] += 1

    def _count_due(self, *, is_last: bool) -> int:
        size = len(self._waiting)
        if self._frames_per_request is None:
            return math.ceil(size / 2) if self._faults.is_shuffled and not is_last else size
        if is_last:
            return min(size, self._frames_per_request)
        needed = self._frames_per_request * (2 if self._faults.is_shuffled else 1)
        return self._frames_per_request if size >= needed else 0

    def _release_copies(self) -> None:
        self._waiting |= {str(record.id): record for record in self._copies_of_later}
        self._copies_of_later.clear()

    def _book_stored(self, record_id: str) -> None:
        standing = self._take(record_id)
        if standing is None:
            return
        if standing.is_stored:
            self._tally.doubled += 1
        else:
            self._tally.stored += 1
        standing.is_stored = True

    def _book_duplicate(self, record_id: str) -> None:
        standing = self._take(record_id)
        if standing is None:
            return
        self._tally.duplicate += 1
        if not standing.is_stored and not standing.is_maybe_stored:
            self._tally.unexplained_duplicate += 1

    def _take(self, record_id: str) -> _Standing | None:
        popped = self._pop(record_id)
        if popped is None:
            return None
        record, standing = popped
        if not standing.is_taken:
            standing.is_taken = True
            self._tally.taken += 1
            self._on_taken(record)
        return standing

    def _pop(self, record_id: str) -> tuple[SpooledRecord, _Standing] | None:
        record = self._waiting.pop(record_id, None)
        if record is None:
            return None
        number = record.id % _COPIES_FROM
        standing = self._standings[number]
        standing.copies_left -= 1
        if standing.copies_left == 0:
            del self._standings[number]
        return replace(record, id=number), standing
