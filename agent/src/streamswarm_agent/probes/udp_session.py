"""The `udp_session` probe: packets to another agent, which tells what each direction did."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice
from typing import Any, ClassVar

from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes.base import Clock, Emit, Outcome, ProbeRequest, Resolver
from streamswarm_agent.probes.exponential import FRACTION_BITS, generate_variates
from streamswarm_agent.probes.histogram import count_in_buckets
from streamswarm_agent.probes.measures import describe_failures, measure_send_schedule, sample_of
from streamswarm_agent.probes.qos_link import Marking
from streamswarm_agent.probes.qos_measures import (
    ECT0,
    ECT1,
    gather_courses,
    measure_congestion_marks,
    measure_marks,
)
from streamswarm_agent.probes.schedule import AttemptSchedule, Course
from streamswarm_agent.probes.session_clocks import SessionClocks
from streamswarm_agent.probes.session_link import SessionLink, SessionSettings, describe_silence
from streamswarm_agent.probes.session_measures import (
    describe_directions,
    measure_directions,
    measure_notice,
    measure_odd_replies,
    measure_one_way,
    measure_series,
    split_directions,
)
from streamswarm_agent.probes.session_packet import MOST_PACKETS, Report

METHOD = "udp"
ECN_BITS = {"off": 0, "ect0": ECT0, "ect1": ECT1}
SAMPLE_KEYS = frozenset(
    {
        "net.rtt.min",
        "net.rtt.mean",
        "net.rtt.median",
        "net.rtt.p95",
        "net.rtt.max",
        "net.rtt.stddev",
        "net.rtt.udp",
        "net.packet.sent",
        "net.packet.received",
        "net.packet.loss.ratio",
        "net.packet.loss.burst.max",
        "net.jitter.rfc3550",
        "net.ipdv.mean_abs",
        "net.voip.mos",
    }
)


class UdpSessionProbe:
    """Sends packets by a periodic or a random schedule and asks the peer in the end what it got.

    Round trips end at the kernel's receive stamp, the peer's handling taken off. Loss is exact for
    each direction, because the peer lists what arrived. One-way delays are shown with the bound of
    their error, or withheld. `is_success`: at least one answer. All times are in seconds.
    """

    kind: ClassVar[str] = "udp_session"

    def __init__(
        self, clock: Clock, _resolver: Resolver, clocks: SessionClocks | None = None
    ) -> None:
        self._clock = clock
        self._clocks = clocks or SessionClocks()

    async def run(self, request: ProbeRequest, emit: Emit) -> Outcome:
        """Send for the run's duration; see the class. Raises: ProbeFailed."""
        peer = request.peer
        if peer is None:
            raise ProbeFailed("a UDP session needs a peer agent that answers it")
        try:
            link = SessionLink(peer, read_settings(request), self._clocks)
        except OSError as error:
            raise ProbeFailed(f"no way to {peer.address}: {error.strerror or error}") from error

        async def report(round_trips: Sequence[float | None]) -> None:
            measures = measure_series(round_trips)
            await emit(sample_of(measures, SAMPLE_KEYS))

        course: Course[float | None] = Course((), ())
        reports: Sequence[Report] = ()
        try:
            if await link.find_peer():
                schedule = AttemptSchedule(
                    self._clock, request, link.send, report,
                    offsets_seconds=plan_offsets(request, peer.run_id),
                )  # fmt: skip
                course = await schedule.run()
                reports = await link.fetch_reports() if link.traffic.replies else ()
        finally:
            link.close()
        return self._conclude(course, link, reports, request)

    def _conclude(
        self,
        course: Course[float | None],
        link: SessionLink,
        reports: Sequence[Report],
        request: ProbeRequest,
    ) -> Outcome:
        traffic, address = link.traffic, request.peer.address if request.peer else ""
        replies = traffic.replies
        directions = split_directions(traffic, reports)
        (course_of_marks,) = gather_courses([read_marking(request)], course.results, traffic)
        sample = sample_of(
            measure_series(course.results)
            | measure_odd_replies(traffic, reports)
            | measure_directions(directions, is_answered=bool(replies))
            | measure_one_way(replies, traffic.sent_count, self._clocks.read_error())
            | measure_notice(replies)
            | measure_marks(course_of_marks)
            | measure_congestion_marks(course_of_marks)
            | measure_send_schedule(course.errors_seconds)
        )
        answered = [seconds for seconds in course.results if seconds is not None]
        document: dict[str, Any] = {
            "address": address,
            "errors": dict(traffic.errors),
            "directions": describe_directions(traffic, directions, reports),
        }
        absent, facts = dict(sample.absent), {}
        if answered:
            document["net.rtt.histogram"] = count_in_buckets(answered)
            has_stamps = all(reply.notice_seconds is not None for reply in replies)
            facts["agent.timestamp.source"] = "kernel" if has_stamps else "user"
        else:
            absent |= {"net.rtt.histogram": "T", "agent.timestamp.source": "N"}
        silence = "" if answered else describe_silence(address, traffic.sent_count)
        reason = "; ".join(filter(None, (silence, describe_failures(traffic.errors))))
        return Outcome(bool(answered), METHOD, sample.values, absent, facts, document, reason)


def read_settings(request: ProbeRequest) -> SessionSettings:
    """How the packets of the run look."""
    return SessionSettings(
        padding_bytes=int(request.parameters["padding_bytes"]),
        traffic_class=read_marking(request).traffic_class,
        timeout_seconds=float(request.parameters["timeout_seconds"]),
    )


def read_marking(request: ProbeRequest) -> Marking:
    """What the run's packets have in their headers, both ways."""
    parameters = request.parameters
    return Marking(int(parameters["dscp"]), ECN_BITS[str(parameters["ecn"])])


def plan_offsets(request: ProbeRequest, run_id: str) -> Iterator[float]:
    """When each packet leaves, in seconds from the start; random ones follow from the run's id."""
    interval = float(request.parameters["interval_seconds"])
    most = int(request.parameters["count"]) or MOST_PACKETS
    if request.parameters["schedule"] == "periodic":
        return (slot * interval for slot in range(most))
    seed = hashlib.sha256(run_id.encode()).digest()[:16]
    return (
        units * interval / (1 << FRACTION_BITS)
        for units in accumulate(islice(generate_variates(seed), most))
    )
