"""The `host`, `hardware` and `wifi` probes: the agent's own host, looked at on demand."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from streamswarm_agent.collectors import OWN_COLLECTORS
from streamswarm_agent.collectors.base import CollectedFact, CollectedFrame, Collection, Collector
from streamswarm_agent.collectors.documents import fit_rows
from streamswarm_agent.probes.base import Clock, Emit, Outcome, ProbeRequest, Resolver, Sample

ALL = "all"
MAX_SOURCES = 200
ADDED_TO_HOST = ("cpu", "filesystem", "disk", "interface", "network")
HARDWARE_PARTS: Mapping[str, tuple[str, ...]] = {
    ALL: ("hw.",),
    "sensors": ("hw.temperature", "hw.fan.", "hw.voltage", "hw.current"),
    "power": ("hw.power", "hw.energy", "hw.host.power", "hw.battery."),
    "faults": ("hw.cpu.throttle.", "hw.memory.", "hw.machine_check.", "hw.pcie."),
    "disks": ("hw.physical_disk.", "hw.raid."),
}


@dataclass(frozen=True, slots=True)
class Look:
    """What is asked: the collectors, which source of the kind's own, and how its keys begin."""

    collectors: tuple[str, ...]
    subject: str = ""
    prefixes: tuple[str, ...] = ("",)


class OwnHostProbe(ABC):
    """Reads collectors at the start, and once at the end of each sample interval.

    Rates are over a sample interval. The outcome has the last pass: the figures of the kind's own
    source, and in the document under `rows` those of every source that was asked for, as many as
    fit. `is_success`: at least one of the own figures is a number. The method is `local`; nothing
    is sent, so the target is not used.
    """

    kind: ClassVar[str]

    def __init__(
        self,
        clock: Clock,
        _resolver: Resolver,
        factories: Mapping[str, Callable[[], Collector]] = OWN_COLLECTORS,
    ) -> None:
        self._clock = clock
        self._factories = factories

    @abstractmethod
    def plan(self, parameters: Mapping[str, Any]) -> Look:
        """What the parameters ask for."""

    async def run(self, request: ProbeRequest, emit: Emit) -> Outcome:
        """Look for the run's duration; see the class."""
        look = self.plan(request.parameters)
        collectors = [self._factories[name]() for name in look.collectors]
        await _collect(collectors)
        begin = self._clock.monotonic()
        end, due, count = begin + request.duration_seconds, begin, 0
        while True:
            count += 1
            due = min(begin + count * request.sample_interval_seconds, end)
            await self._clock.sleep(max(due - self._clock.monotonic(), 0.0))
            collections = await _collect(collectors)
            own = self._find_own(collections, look)
            sample = take_sample(own, look.prefixes)
            await emit(sample)
            if due >= end:
                return _conclude(collections, own, sample)

    def _find_own(self, collections: Iterable[Collection], look: Look) -> CollectedFrame:
        """The frame of the kind's own source; an empty one when the host has no such source."""
        own = (frame for one in collections for frame in one.frames)
        frames = [frame for frame in own if frame.source_kind == self.kind]
        wanted = [frame for frame in frames if look.subject in ("", frame.subject)]
        return wanted[0] if wanted else CollectedFrame(self.kind, look.subject, {})


class HostProbe(OwnHostProbe):
    """Processors, memory and the rest of the system; `part` adds one other collector, or all."""

    kind: ClassVar[str] = "host"

    def plan(self, parameters: Mapping[str, Any]) -> Look:
        part = parameters["part"]
        return Look((self.kind, *(name for name in ADDED_TO_HOST if part in (ALL, name))))


class HardwareProbe(OwnHostProbe):
    """Sensors, power, faults and disks, or the `part` of them that was asked for."""

    kind: ClassVar[str] = "hardware"

    def plan(self, parameters: Mapping[str, Any]) -> Look:
        return Look((self.kind,), prefixes=HARDWARE_PARTS[parameters["part"]])


class WifiProbe(OwnHostProbe):
    """One wireless interface: the one that `interface` names, or the first."""

    kind: ClassVar[str] = "wifi"

    def plan(self, parameters: Mapping[str, Any]) -> Look:
        return Look((self.kind,), subject=parameters["interface"])


async def _collect(collectors: Sequence[Collector]) -> list[Collection]:
    """One pass, in a thread: files and programs of a sick host may take their time."""
    return await asyncio.to_thread(lambda: [one.collect() for one in collectors])


def take_sample(frame: CollectedFrame, prefixes: tuple[str, ...]) -> Sample:
    """The figures of a source whose keys begin so."""
    return Sample(
        {key: value for key, value in frame.values.items() if key.startswith(prefixes)},
        {key: code for key, code in frame.absent.items() if key.startswith(prefixes)},
    )


def _conclude(collections: Sequence[Collection], own: CollectedFrame, sample: Sample) -> Outcome:
    facts = [fact for one in collections for fact in one.facts]
    sources = [describe(frame, facts) for one in collections for frame in one.frames]
    return Outcome(
        is_success=bool(sample.values),
        method="local",
        values=sample.values,
        absent=sample.absent,
        facts=facts_of(own, facts),
        document=fit_rows({}, sources, max_rows=MAX_SOURCES),
        reason="" if sample.values else "nothing of this kind can be measured on this host",
    )


def describe(frame: CollectedFrame, facts: Iterable[CollectedFact]) -> dict[str, Any]:
    """A source as the document has it."""
    return {
        "kind": frame.source_kind,
        "subject": frame.subject,
        "values": dict(frame.values),
        "absent": dict(frame.absent),
        "facts": facts_of(frame, facts),
    }


def facts_of(frame: CollectedFrame, facts: Iterable[CollectedFact]) -> dict[str, str]:
    """The words about the frame's own source."""
    own = (frame.source_kind, frame.subject)
    return {fact.key: fact.value for fact in facts if (fact.source_kind, fact.subject) == own}
