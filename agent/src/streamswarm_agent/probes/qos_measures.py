"""From what packets of each class came to, to the metric keys of the wire."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streamswarm_agent.probes.measures import AbsentCode, Measure, ratio
from streamswarm_agent.probes.policing import Policing
from streamswarm_agent.probes.qos_link import Marking
from streamswarm_agent.probes.session_link import Traffic
from streamswarm_agent.probes.statistics import interarrival_jitter, percentile
from streamswarm_agent.wire.keys import format_key

NOT_CAPABLE, ECT1, ECT0, CE = 0, 1, 2, 3
CODEPOINTS = {ECT0: "ect0", ECT1: "ect1"}
CE_RATIO = "qos.ecn.ce.ratio"
ECN_MASK = 3
BEST_EFFORT, EXPEDITED = 0, 46
PAIR_NEEDS = 2
DIRECTIONS = ("forward", "reverse")


@dataclass(frozen=True, slots=True)
class ClassCourse:
    """What became of the packets of one marking; the counters are of traffic classes received."""

    marking: Marking
    round_trips: Sequence[float | None]
    forward: Counter[int]
    reverse: Counter[int]

    @property
    def answered(self) -> list[float]:
        """Round trips in seconds, in sending order."""
        return [seconds for seconds in self.round_trips if seconds is not None]

    def received(self, direction: str) -> Counter[int]:
        """How often which traffic class arrived."""
        return self.forward if direction == "forward" else self.reverse


def gather_courses(
    markings: Sequence[Marking], round_trips: Sequence[float | None], traffic: Traffic
) -> list[ClassCourse]:
    """The packets of a run, sent with one marking after the other, by marking."""
    count = len(markings)
    courses = [
        ClassCourse(marking, round_trips[place::count], Counter(), Counter())
        for place, marking in enumerate(markings)
    ]
    for reply in traffic.replies:
        course = courses[reply.said.sequence % count]
        course.forward[reply.said.traffic_class] += 1
        if reply.traffic_class is not None:
            course.reverse[reply.traffic_class] += 1
    return courses


def measure_classes(courses: Sequence[ClassCourse]) -> dict[str, Measure]:
    """`qos.dscp.*` and `qos.class.*`, by DSCP and direction."""
    measures: dict[str, Measure] = {}
    plain = [course for course in courses if not course.marking.ecn]
    for course in plain:
        measures |= measure_marks(course) | _measure_class(course, str(course.marking.dscp))
    return measures | {"qos.class.differentiation": _measure_differentiation(plain)}


def measure_marks(course: ClassCourse) -> dict[str, Measure]:
    """`qos.dscp.*`: what was sent, and what of it arrived each way."""
    dscp = str(course.marking.dscp)
    measures: dict[str, Measure] = {
        format_key("qos.dscp.sent", {"dscp": dscp}): course.marking.dscp
    }
    for direction in DIRECTIONS:
        names = {"dscp": dscp, "direction": direction}
        seen = count_dscps(course.received(direction))
        code: Measure = "T" if not course.answered else "N"
        most = max(seen, key=lambda one: seen[one]) if seen else None
        measures[format_key("qos.dscp.received", names)] = code if most is None else most
        measures[format_key("qos.dscp.bleached", names)] = (
            code if most is None else float(most != course.marking.dscp)
        )
    return measures


def measure_congestion_marks(course: ClassCourse) -> dict[str, Measure]:
    """`qos.ecn.ce.ratio` each way; N of packets that say that they do not know ECN."""
    if course.marking.ecn not in CODEPOINTS:
        names = [{"codepoint": CODEPOINTS[ECT0], "direction": one} for one in DIRECTIONS]
        return {format_key(CE_RATIO, one): "N" for one in names}
    measures: dict[str, Measure] = {}
    for direction in DIRECTIONS:
        measures |= measure_ecn([course], direction)
    return {key: value for key, value in measures.items() if key.startswith(CE_RATIO)}


def measure_ecn(courses: Sequence[ClassCourse], direction: str) -> dict[str, Measure]:
    """`qos.ecn.*` of one direction, by codepoint."""
    measures: dict[str, Measure] = {}
    for course in courses:
        if course.marking.ecn not in CODEPOINTS:
            continue
        names = {"codepoint": CODEPOINTS[course.marking.ecn], "direction": direction}
        bits = count_ecn(course.received(direction))
        capable = sum(bits.values()) - bits[NOT_CAPABLE]
        is_seen = bool(bits)
        code: AbsentCode = "T" if not course.answered else "N"
        figures: dict[str, Measure] = {
            "qos.ecn.ect_survives": float(bool(capable)) if is_seen else code,
            "qos.ecn.bleached": float(bits[NOT_CAPABLE] > capable) if is_seen else code,
            CE_RATIO: ratio(bits[CE], capable) if is_seen else code,
        }
        measures |= {format_key(key, names): value for key, value in figures.items()}
    return measures


def measure_policing(found: Policing | None, dscp: int) -> dict[str, Measure]:
    """`qos.policing.*`, `qos.shaping.detected` and the class's throughput, of the way there.

    N without a sweep; I when the sweep could not tell.
    """
    names = {"direction": "forward"}
    code: AbsentCode = "N" if found is None else "I"
    is_known = found is not None and found.verdict != "unclear"
    is_policed = found is not None and found.verdict == "policer"
    rate = found.rate if found is not None and is_policed else None
    burst = found.burst_bytes if found is not None and is_policed else None
    arrived = found.arrived if found is not None and found.arrived else None
    figures: dict[str, Measure] = {
        "qos.policing.detected": float(is_policed) if is_known else code,
        "qos.policing.rate": "N" if rate is None else rate,
        "qos.policing.burst": "N" if burst is None else burst,
        "qos.shaping.detected": (
            float(found.verdict == "shaper") if found is not None and is_known else code
        ),
    }
    measures = {format_key(key, names): value for key, value in figures.items()}
    throughput = format_key("qos.class.throughput", {"dscp": str(dscp)})
    return measures | {throughput: "N" if arrived is None else arrived}


def describe_courses(courses: Sequence[ClassCourse]) -> list[dict[str, Any]]:
    """The table of classes, as the result's document has it."""
    return [
        {
            "dscp": course.marking.dscp,
            "ecn": course.marking.ecn,
            "sent": len(course.round_trips),
            "answered": len(course.answered),
            "median_seconds": percentile(course.answered, 0.5) if course.answered else None,
            "forward": {str(number): count for number, count in sorted(course.forward.items())},
            "reverse": {str(number): count for number, count in sorted(course.reverse.items())},
        }
        for course in courses
    ]


def count_dscps(received: Counter[int]) -> Counter[int]:
    """The traffic classes by their DSCP."""
    counts: Counter[int] = Counter()
    for traffic_class, count in received.items():
        counts[traffic_class >> 2] += count
    return counts


def count_ecn(received: Counter[int]) -> Counter[int]:
    """The traffic classes by their two bits of ECN."""
    counts: Counter[int] = Counter()
    for traffic_class, count in received.items():
        counts[traffic_class & ECN_MASK] += count
    return counts


def _measure_class(course: ClassCourse, dscp: str) -> dict[str, Measure]:
    answered, sent_count = course.answered, len(course.round_trips)
    jitter: Measure = "I" if answered else "T"
    if len(answered) >= PAIR_NEEDS:
        jitter = interarrival_jitter(answered)
    figures: dict[str, Measure] = {
        "qos.class.rtt.median": percentile(answered, 0.5) if answered else "T",
        "qos.class.loss.ratio": ratio(sent_count - len(answered), sent_count),
        "qos.class.jitter": jitter,
    }
    return {format_key(key, {"dscp": dscp}): value for key, value in figures.items()}


def _measure_differentiation(plain: Sequence[ClassCourse]) -> Measure:
    medians = {
        course.marking.dscp: percentile(course.answered, 0.5) for course in plain if course.answered
    }
    if BEST_EFFORT not in medians or EXPEDITED not in medians:
        return "I"
    return medians[BEST_EFFORT] - medians[EXPEDITED]
