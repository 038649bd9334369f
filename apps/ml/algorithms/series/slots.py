"""Which five minutes of a series were judged: what arrives later is told from them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

SLOT_SECONDS: Final = 300
# Agents send what they kept back for so long.
REMEMBERED_SLOTS: Final = 7 * 24 * 12
NUMBER_BYTES: Final = 8


def number_slot(at: float) -> int:
    """The number since 1970 of the five minutes that hold a moment in Unix seconds."""
    return int(at // SLOT_SECONDS)


@dataclass(frozen=True, slots=True)
class JudgedSlots:
    """Bit n of `bits` says that the slot `first + n` was judged; the last seven days are known."""

    first: int = 0
    bits: int = 0

    @property
    def count(self) -> int:
        return self.bits.bit_count()

    def count_since(self, slot: int) -> int:
        """How many from that slot on were judged."""
        return (self.bits >> max(slot - self.first, 0)).bit_count()

    @property
    def is_complete(self) -> bool:
        """Whether nothing can come any more between the first and the last judged one."""
        return self.count == self.bits.bit_length()

    def knows(self, slot: int) -> bool:
        """Whether it was judged; what is too old to say counts as judged."""
        return slot < self.first or bool(self.bits >> (slot - self.first) & 1)

    def note(self, slots: Iterable[int]) -> "JudgedSlots":
        """With these judged as well; those of more than seven days before the newest are left."""
        new = sorted(slots)
        if not new:
            return self
        newest = max(new[-1], self.first + self.bits.bit_length() - 1)
        # Of what nobody remembers yet, nothing is known from before the first that is noted.
        first = max(newest - REMEMBERED_SLOTS + 1, self.first or new[0])
        bits = self.bits >> (first - self.first) if self.bits else 0
        for slot in new:
            if slot >= first:
                bits |= 1 << (slot - first)
        return JudgedSlots(first, bits)


def await_slots(newest: int) -> JudgedSlots:
    """None judged yet of the seven days up to that slot: what comes of them comes late."""
    return JudgedSlots(newest - REMEMBERED_SLOTS + 1)


def read_slots(content: bytes) -> JudgedSlots:
    """What `write_slots` has written; nothing for nothing."""
    first = int.from_bytes(content[:NUMBER_BYTES])
    return JudgedSlots(first, int.from_bytes(content[NUMBER_BYTES:]))


def write_slots(slots: JudgedSlots) -> bytes:
    """At most 260 bytes."""
    size = (slots.bits.bit_length() + 7) // 8
    return slots.first.to_bytes(NUMBER_BYTES) + slots.bits.to_bytes(size)
