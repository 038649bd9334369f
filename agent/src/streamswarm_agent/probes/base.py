"""What every probe is given and what it hands back."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

IpVersion = Literal["any", "4", "6"]


@dataclass(frozen=True, slots=True)
class Peer:
    """The agent at the other end of a run, which answers whoever holds the run's key.

    `address` is an IP address that the egress policy allows; `key` is 32 bytes that only both
    ends of this run have.
    """

    address: str
    port: int
    key: bytes = field(repr=False)
    run_id: str


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """One run as the lease describes it; `parameters` are validated and have their defaults.

    `peer` is there for kinds with `"x-participants": 2`, and only for those.
    """

    target: str
    parameters: Mapping[str, Any]
    duration_seconds: float
    sample_interval_seconds: float
    peer: Peer | None = None


@dataclass(frozen=True, slots=True)
class ResponderRequest:
    """One run that this agent answers; `parameters` are those of the other end.

    `duration_seconds` is the whole window from now on, its margins included. `bind_address` is
    empty for every address of both IP versions; `allowed_address` is empty when the other end may
    come from anywhere, because only the key proves it.
    """

    run_id: str
    key: bytes = field(repr=False)
    parameters: Mapping[str, Any]
    duration_seconds: float
    bind_address: str
    port: int
    allowed_address: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """The values of one sample interval, by metric key; what could not be measured is in `absent`.

    `absent` maps a metric key to its reason code: U, P, T, N or I (docs/wire.md).
    """

    values: Mapping[str, float]
    absent: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The summary of a run over all its single measurements."""

    is_success: bool
    method: str
    values: Mapping[str, float]
    absent: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""


class Clock(Protocol):
    """The agent's sources of time; tests pass their own."""

    def monotonic(self) -> float:
        """Seconds of a clock that never steps; only differences mean anything."""

    def wall(self) -> float:
        """Unix seconds of the host's clock, uncorrected."""

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds of `monotonic`."""


class Resolver(Protocol):
    """Turns a target into an address that the egress policy allows."""

    async def resolve(self, host: str, ip_version: IpVersion = "any") -> str:
        """The first allowed address of `host`, as text.

        Raises: NameNotResolved when there is none, TargetRefused when policy denies every one.
        """


Emit = Callable[[Sample], Awaitable[None]]


class Probe(Protocol):
    """One kind of test. A new probe is one file, one test and one line in `probes.PROBES`."""

    kind: ClassVar[str]

    async def run(self, request: ProbeRequest, emit: Emit) -> Outcome:
        """Measure for `request.duration_seconds`, emit one sample per sample interval, sum up.

        Silence of the target is a result (`is_success` false), never an error.
        Raises: ProbeFailed when nothing could be measured at all, with the reason.
        Cancelling the task stops the measurement at once.
        """


class Responder(Protocol):
    """The answering end of a kind of test; one line in `probes.responders.RESPONDERS`.

    One instance serves all runs of the process, several at once on one port, told apart by run id.
    """

    kind: ClassVar[str]

    async def serve(self, request: ResponderRequest) -> None:
        """Answer the holder of the run's key for `request.duration_seconds`, and nobody else.

        Raises: ProbeFailed when it cannot listen. Cancelling the task closes the run at once.
        """
