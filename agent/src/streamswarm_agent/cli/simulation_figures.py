"""The figures of a simulation: all of them at its end, and one line while it goes on."""

import statistics
import time
from dataclasses import dataclass, field
from typing import Any

from streamswarm_agent.runtime.simulated_delivery import Tally

_MOST_ERROR_TEXTS = 5


def summarise(
    tally: Tally, *, clients: int, values_a_frame: int, elapsed_seconds: float
) -> dict[str, Any]:
    """The figures of a simulation; latencies in milliseconds, None before any answer.

    The latencies are those of the last 100,000 answers.
    """
    median, highest = measure_latencies(tally)
    return {
        "clients": clients,
        "duration_seconds": round(elapsed_seconds, 3),
        "frames": tally.frames,
        "late": tally.late,
        "sent_again": tally.copies,
        "dropped_out": tally.dropped_out,
        "accepted": tally.stored,
        "duplicate": tally.duplicate,
        "doubled": tally.doubled,
        "refused": tally.rejections.total(),
        "unanswered": tally.unanswered,
        "requests": tally.requests,
        "errors": tally.errors.total(),
        "requests_per_second": round(tally.requests / elapsed_seconds, 1),
        "values_per_second": round(tally.taken * values_a_frame / elapsed_seconds, 1),
        "latency_p50_ms": median,
        "latency_p99_ms": highest,
        "refusals": dict(tally.rejections),
        "error_texts": dict(tally.errors.most_common(_MOST_ERROR_TEXTS)),
        "is_exactly_once": tally.is_exactly_once,
    }


def measure_latencies(tally: Tally) -> tuple[float | None, float | None]:
    """Median and 99th percentile in milliseconds; None for fewer than two answers."""
    latencies = tally.latencies_seconds
    if len(latencies) < 2:  # noqa: PLR2004 - a centile needs a pair
        return None, None
    centiles = statistics.quantiles(latencies, n=100)
    return round(centiles[49] * 1000, 2), round(centiles[98] * 1000, 2)


@dataclass(slots=True)
class LiveLine:
    """What a simulation has come to so far, with the requests a second since the line before."""

    tally: Tally
    began_at: float = field(default_factory=time.monotonic)
    _requests: int = 0
    _written_at: float = field(default_factory=time.monotonic)

    def write(self) -> str:
        now, tally = time.monotonic(), self.tally
        passed_seconds = max(now - self._written_at, 1e-9)
        rate = (tally.requests - self._requests) / passed_seconds
        self._requests, self._written_at = tally.requests, now
        median, highest = measure_latencies(tally)
        return (
            f"{now - self.began_at:.0f} s: {rate:.1f} requests/s, accepted {tally.stored}, "
            f"duplicate {tally.duplicate}, refused {tally.rejections.total()}, "
            f"errors {tally.errors.total()}, p50 {_show(median)}, p99 {_show(highest)}"
        )


def _show(milliseconds: float | None) -> str:
    return "unknown" if milliseconds is None else f"{milliseconds:g} ms"
