"""The host's figures on the spot: the collectors read twice, with a moment in between."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamswarm_agent.collectors import build_collectors
from streamswarm_agent.collectors.base import CollectedFrame, Collector
from streamswarm_agent.wire.times import format_time

HOST_COLLECTORS = (
    "host", "cpu", "filesystem", "disk", "interface", "network", "wifi", "hardware",
)  # fmt: skip
BETWEEN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class HostReading:
    """The frames of one moment; `at` is Unix seconds by the host's own clock."""

    at: float
    frames: tuple[CollectedFrame, ...]

    def find(self, kind: str, subject: str = "") -> CollectedFrame:
        """The frame of a source, an empty one when the host has no such source."""
        for frame in self.frames:
            if (frame.source_kind, frame.subject) == (kind, subject):
                return frame
        return CollectedFrame(kind, subject, {})

    def list_of(self, kind: str) -> Sequence[CollectedFrame]:
        """The frames of all sources of a kind, in the collector's order."""
        return [frame for frame in self.frames if frame.source_kind == kind]

    def as_document(self) -> dict[str, Any]:
        """As JSON: base units, and a reason code for what is missing."""
        return {
            "at": format_time(self.at),
            "sources": [
                {
                    "kind": frame.source_kind,
                    "subject": frame.subject,
                    "values": dict(frame.values),
                    "absent": dict(frame.absent),
                }
                for frame in self.frames
            ],
        }


class HostReader:
    """Reads the same collectors again and again; rates are taken against the reading before."""

    def __init__(
        self,
        names: Iterable[str] = HOST_COLLECTORS,
        *,
        collectors: Mapping[str, Collector] | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        known = build_collectors() if collectors is None else collectors
        self._collectors = [known[name] for name in names if name in known]
        self._wall = wall

    def read(self) -> HostReading:
        """One pass over all collectors."""
        frames = [frame for one in self._collectors for frame in one.collect().frames]
        return HostReading(self._wall(), tuple(frames))


def read_twice(reader: HostReader, sleep: Callable[[float], None] | None = None) -> HostReading:
    """A reading with rates over one second."""
    reader.read()
    (sleep or time.sleep)(BETWEEN_SECONDS)
    return reader.read()
