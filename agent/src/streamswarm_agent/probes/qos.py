"""The `qos` probe: what the network does to traffic classes, to ECN, and to too much at once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes.base import Clock, Emit, Outcome, Peer, ProbeRequest, Resolver
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
from streamswarm_agent.probes.schedule import AttemptSchedule, Course
from streamswarm_agent.probes.session_clocks import SessionClocks
from streamswarm_agent.probes.session_link import Traffic, describe_silence
from streamswarm_agent.probes.tcp_connect import Connector

METHOD = "udp"
LARGEST_DSCP = 63
SWEEP_SHARE = 0.5
MOST_SWEEP_SECONDS = 10.0
BITS_PER_MEGABIT = 1_000_000
ECN_SETTING = Path("/proc/sys/net/ipv4/tcp_ecn")
ASKS_FOR_ECN = "1"


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
    ) -> None:
        self._clock = clock
        self._clocks = clocks or SessionClocks()
        self._ecn_setting = ecn_setting

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
            courses, failures = await self._send_classes(
                request, peer, markings, request.duration_seconds - sweep_seconds, emit
            )
            # Nothing goes on to a peer that has not answered at all: nobody may be there.
            is_answered = any(course.answered for course in courses)
            negotiated: Measure = "U"
            if parameters["has_ecn"]:
                negotiated = await self._negotiate(peer) if is_answered else "T"
            found = None
            if sweep_seconds and is_answered:
                found = await self._sweep(peer, parameters, sweep_seconds)
        except OSError as error:
            raise ProbeFailed(f"no way to {peer.address}: {error.strerror or error}") from error
        return _conclude(courses, found, negotiated, peer, request, failures)

    async def _send_classes(
        self,
        request: ProbeRequest,
        peer: Peer,
        markings: Sequence[Marking],
        seconds: float,
        emit: Emit,
    ) -> tuple[list[ClassCourse], str]:
        link = MarkedLink(
            _rename(peer, CLASSES), markings, float(request.parameters["timeout_seconds"]),
            self._clocks,
        )  # fmt: skip
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
        try:
            course: Course[float | None] = Course((), ())
            if await link.find_peer():
                course = await AttemptSchedule(self._clock, timed, link.send, report).run()
        finally:
            link.close()
        failures = describe_failures(link.traffic.errors)
        return gather_courses(markings, course.results, link.traffic), failures

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
    courses: Sequence[ClassCourse],
    found: Policing | None,
    negotiated: Measure,
    peer: Peer,
    request: ProbeRequest,
    failures: str,
) -> Outcome:
    measures = measure_classes(courses) | {"qos.ecn.negotiated": negotiated}
    for direction in DIRECTIONS:
        measures |= measure_ecn(courses, direction)
    measures |= measure_policing(found, int(request.parameters["sweep_dscp"]))
    sample = sample_of(measures)
    is_answered = any(course.answered for course in courses)
    document: dict[str, Any] = {"address": peer.address, "classes": describe_courses(courses)}
    if found is not None:
        document["sweep"] = {
            "verdict": found.verdict,
            "offered_bits_per_second": found.offered,
            "arrived_bits_per_second": found.arrived,
            "rate_bits_per_second": found.rate,
            "burst_bytes": found.burst_bytes,
            "loss_ratio": found.loss_ratio,
            "added_delay_seconds": found.added_delay_seconds,
        }
    sent_count = sum(len(course.round_trips) for course in courses)
    silence = "" if is_answered else describe_silence(peer.address, sent_count)
    reason = "; ".join(filter(None, (silence, failures)))
    return Outcome(
        is_answered, METHOD, sample.values, sample.absent, document=document, reason=reason
    )
