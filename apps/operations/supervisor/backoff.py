from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BackoffPolicy:
    """How long to wait before a restart: doubling, and forgotten after a healthy stretch."""

    first_seconds: float = 0.5
    longest_seconds: float = 30.0
    healthy_seconds: float = 20.0

    def next_delay_seconds(
        self, previous_delay_seconds: float | None, *, well_seconds: float
    ) -> float:
        """Seconds to wait after a run that did its work for `well_seconds`.

        None as previous: it never died before.
        """
        if previous_delay_seconds is None or well_seconds >= self.healthy_seconds:
            return self.first_seconds
        return min(previous_delay_seconds * 2, self.longest_seconds)
