"""The `qos` probe: what the network does to traffic classes, to ECN, and to too much at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes.base import Clock, Emit, Outcome, Peer, ProbeRequest, Resolver
from streamswarm_agent.probes.frame_tap import TapOpener, open_tap
from streamswarm_agent.probes.loaded_latency import name_session
from streamswarm_agent.probes.measures import Measure, describe_failures, sample_of
from streamswarm_agent.probes.policing import Policing, find_policing
from streamswarm_agent.probes.qos_link import CLASSES, SWEEP, MarkedLink, Marking, SweepLink
from streamswarm_agent.probes.qos_measures import (
    DIRECTIONS,
    ECT0,
    ECT1,
    ClassCourse,
    describe_courses,
    gather_courses,
    measure_classes,
    measure_ecn,
    measure_policing,
)
from streamswarm_agent.probes.qos_priorities import (
    Priorities,
    describe_priorities,
    measure_priorities,
    watch_priorities,
)
from streamswarm_agent.probes.schedule import AttemptSchedule, Course
from streamswarm_agent.probes.session_clocks import SessionClocks
from streamswarm_agent.probes.session_link import Traffic, describe_silence
from streamswarm_agent.probes.session_packet import SessionKeys
from streamswarm_agent.probes.tcp_connect import Connector

METHOD = "udp"
LARGEST_DSCP = 63
SWEEP_SHARE = 0.5
MOST_SWEEP_SECONDS = 10.0
BITS_PER_MEGABIT = 1_000_000
ECN_SETTING = Path("/proc/sys/net/ipv4/tcp_ecn")
ASKS_FOR_ECN = "1"


@dataclass(frozen=True, slots=True)
class Findings:
    """What became of the packets of all classes; `failures` are this host's own, in words."""

    courses: Sequence[ClassCourse]
    priorities: Priorities
    failures: str

    @property
    def is_answered(self) -> bool:
        """Whether the peer answered at all."""
        return any(course.answered for course in self.courses)


class QosProbe:
    """Sends packets of each class in turn, which the peer reflects in the class they came with.

    A sweep, where it is wanted, then offers more than the path may like, and tells a policer from
    a shaper. `is_success`: at least one answer. Times are in seconds, rates in bits a second.
    """

    kind: ClassVar[str] = "qos"

    def __init__(
        self,
        clock: Clock,
        _resolver: Resolver,
        clocks: SessionClocks | None = None,
        ecn_setting: Path = ECN_SETTING,
        open_tap: TapOpener = open_tap,
    ) -> None:
        self._clock = clock
        self._clocks = clocks or SessionClocks()
        self._ecn_setting = ecn_setting
        self._open_tap = open_tap

    async def run(self, request: ProbeRequest, emit: Emit) -> Outcome:
        """Measure for the run's duration; see the class. Raises: ProbeFailed."""
        peer = request.peer
        if peer is None:
            raise ProbeFailed("a QoS test needs a peer agent that answers it")
        parameters = request.parameters
        markings = list_markings(str(parameters["classes"]), has_ecn=parameters["has_ecn"])
        sweep_seconds = 0.0
        if parameters["has_sweep"]:
            sweep_seconds = min(SWEEP_SHARE * request.duration_seconds, MOST_SWEEP_SECONDS)
        try:
            found = await self._send_classes(
                request, peer, markings, request.duration_seconds - sweep_seconds, emit
            )
            # Nothing goes on to a peer that has not answered at all: nobody may be there.
            negotiated: Measure = "U"
            if parameters["has_ecn"]:
                negotiated = await self._negotiate(peer) if found.is_answered else "T"
            policing = None
            if sweep_seconds and found.is_answered:
                policing = await self._sweep(peer, parameters, sweep_seconds)
        except OSError as error:
            raise ProbeFailed(f"no way to {peer.address}: {error.strerror or error}") from error
        return _conclude(found, policing, negotiated, peer, request)

    async def _send_classes(
        self,
        request: ProbeRequest,
        peer: Peer,
        markings: Sequence[Marking],
        seconds: float,
        emit: Emit,
    ) -> Findings:
        session = _rename(peer, CLASSES)
        timeout_seconds = float(request.parameters["timeout_seconds"])
        link = MarkedLink(session, markings, timeout_seconds, self._clocks)
        done_count = 0

        async def report(round_trips: Sequence[float | None]) -> None:
            nonlocal done_count
            # The interval need not begin with the first marking.
            shift = done_count % len(markings)
            turned = [*markings[shift:], *markings[:shift]]
            done_count += len(round_trips)
            await emit(sample_of(measure_sample(turned, round_trips)))

        timed = ProbeRequest(
            request.target, request.parameters, seconds, request.sample_interval_seconds, peer
        )
        course: Course[float | None] = Course((), ())
        seen = Priorities()
        try:
            if await link.find_peer():
                keys = SessionKeys.derive(session.key, session.run_id)
                async with watch_priorities(link.answer_flow, keys, self._open_tap) as seen:
                    course = await AttemptSchedule(self._clock, timed, link.send, report).run()
        finally:
            link.close()
        courses = gather_courses(markings, course.results, link.traffic)
        return Findings(courses, seen, describe_failures(link.traffic.errors))

    async def _sweep(self, peer: Peer, parameters: Any, seconds: float) -> Policing:
        link = SweepLink(_rename(peer, SWEEP), int(parameters["sweep_dscp"]) << 2, self._clocks)
        try:
            packets = await link.sweep(
                float(parameters["sweep_megabits"]) * BITS_PER_MEGABIT, seconds
            )
        finally:
            link.close()
        return find_policing(packets)

    async def _negotiate(self, peer: Peer) -> Measure:
        """Whether TCP agrees to ECN; U when this host does not ask for it, T without an answer."""
        try:
            if self._ecn_setting.read_text().strip() != ASKS_FOR_ECN:
                return "U"
        except OSError:
            return "U"
        connector = Connector(self._clock, peer.address, peer.port, 5.0)
        connection = await connector.connect()
        if connection.verdict != "open":
            return "T"
        return "U" if connection.details is None else float("ecn" in connection.details.options)


def list_markings(classes: str, *, has_ecn: bool) -> list[Marking]:
    """Each class once, then both codepoints of ECN. Raises: ProbeFailed for a DSCP above 63."""
    dscps = list(dict.fromkeys(int(text) for text in classes.split(",")))
    for dscp in dscps:
        if dscp > LARGEST_DSCP:
            raise ProbeFailed(f"classes: DSCP {dscp} is above {LARGEST_DSCP}")
    markings = [Marking(dscp) for dscp in dscps]
    return [*markings, Marking(0, ECT0), Marking(0, ECT1)] if has_ecn else markings


def measure_sample(
    markings: Sequence[Marking], round_trips: Sequence[float | None]
) -> dict[str, Measure]:
    """The classes' round trips and losses in one sample interval."""
    wanted = ("qos.class.rtt.median", "qos.class.loss.ratio")
    courses = gather_courses(markings, round_trips, Traffic())
    measured = measure_classes([course for course in courses if course.round_trips])
    return {key: value for key, value in measured.items() if key.startswith(wanted)}


def _rename(peer: Peer, session: str) -> Peer:
    return Peer(peer.address, peer.port, peer.key, name_session(peer.run_id, session))


def _conclude(
    found: Findings,
    policing: Policing | None,
    negotiated: Measure,
    peer: Peer,
    request: ProbeRequest,
) -> Outcome:
    courses = found.courses
    measures = measure_classes(courses) | {"qos.ecn.negotiated": negotiated}
    for direction in DIRECTIONS:
        measures |= measure_ecn(courses, direction)
    measures |= measure_priorities(courses, found.priorities)
    measures |= measure_policing(policing, int(request.parameters["sweep_dscp"]))
    sample = sample_of(measures)
    document: dict[str, Any] = {"address": peer.address, "classes": describe_courses(courses)}
    if found.is_answered:
        document |= describe_priorities(courses, found.priorities)
    if policing is not None:
        document["sweep"] = {
            "verdict": policing.verdict,
            "offered_bits_per_second": policing.offered,
            "arrived_bits_per_second": policing.arrived,
            "rate_bits_per_second": policing.rate,
            "burst_bytes": policing.burst_bytes,
            "loss_ratio": policing.loss_ratio,
            "added_delay_seconds": policing.added_delay_seconds,
        }
    sent_count = sum(len(course.round_trips) for course in courses)
    silence = "" if found.is_answered else describe_silence(peer.address, sent_count)
    return Outcome(
        is_success=found.is_answered,
        method=METHOD,
        values=sample.values,
        absent=sample.absent,
        document=document,
        reason="; ".join(filter(None, (silence, found.failures))),
    )
