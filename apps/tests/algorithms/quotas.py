"""Limits on tests and on what they put on a network, and what breaks them."""

from dataclasses import dataclass, field

from apps.tests.algorithms.load import Load

# Sums of the same numbers in another order differ by less.
ROUNDING = 1 + 1e-9


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that is allowed; None means unlimited."""

    tests: int | None = None
    packets_per_second: float | None = None
    megabits_per_second: float | None = None

    @property
    def is_unlimited(self) -> bool:
        return (self.tests, self.packets_per_second, self.megabits_per_second) == (None, None, None)


@dataclass(frozen=True, slots=True)
class Use:
    """What there is: tests that are not paused, and the load if all of them ran at once."""

    tests: int = 0
    load: Load = field(default_factory=Load)

    def __add__(self, other: "Use") -> "Use":
        return Use(self.tests + other.tests, self.load + other.load)

    @property
    def packets_per_second(self) -> float:
        return self.load.packets_per_second

    @property
    def megabits_per_second(self) -> float:
        return self.load.megabits_per_second


UNITS = {
    "tests": "tests",
    "packets_per_second": "packets/s",
    "megabits_per_second": "Mbit/s",
}


@dataclass(frozen=True, slots=True)
class Excess:
    """A limit that would be broken."""

    limit: str
    allowed: float
    current: float
    asked: float

    def describe(self, whose: str) -> str:
        """As "client probe-1: 20 tests allowed, has 20, this makes 21"."""
        unit = UNITS[self.limit]
        return (
            f"{whose}: {write(self.allowed)} {unit} allowed,"
            f" has {write(self.current)}, this makes {write(self.asked)}"
        )


def write(number: float) -> str:
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.6g}"


def find_excess(limits: Limits, *, current: Use, asked: Use) -> Excess | None:
    """The first limit that `asked` breaks; None when it fits, or asks for no more than there is.

    What is above a limit that was lowered since may stay, and may become less.
    """
    for name in UNITS:
        allowed = getattr(limits, name)
        wanted, has = getattr(asked, name), getattr(current, name)
        if allowed is not None and wanted > max(allowed, has) * ROUNDING:
            return Excess(name, allowed, has, wanted)
    return None


def count_room(limits: Limits, *, current: Use, load: Load) -> int | None:
    """How many more clients may bear `load` each inside the limits; None for any number."""
    one = Use(0, load)
    rooms = [
        max(int((getattr(limits, name) - getattr(current, name)) // getattr(one, name)), 0)
        for name in ("packets_per_second", "megabits_per_second")
        if getattr(limits, name) is not None and getattr(one, name) > 0
    ]
    return min(rooms, default=None)
