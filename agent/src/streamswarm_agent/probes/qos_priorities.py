"""The priorities (IEEE 802.1Q PCP) with which the answers of a `qos` run arrive at this host."""

import asyncio
import os
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from streamswarm_agent.collectors.documents import describe_missing
from streamswarm_agent.collectors.file_rights import read_file_rights, write_grant
from streamswarm_agent.probes.frame_tap import Flow, Frame, TapOpener, receive_frames
from streamswarm_agent.probes.measures import AbsentCode, Measure
from streamswarm_agent.probes.qos_measures import ClassCourse
from streamswarm_agent.probes.session_packet import SessionKeys, parse_reflected
from streamswarm_agent.wire.keys import format_key

METHOD = "af_packet"
WHAT = "priorities in VLAN tags"


@dataclass(slots=True)
class Priorities:
    """The priority with which the answer to each packet came, None without a tag.

    `code` and `missing` say why nothing could be seen.
    """

    by_sequence: dict[int, int | None] = field(default_factory=dict)
    vlans: set[int] = field(default_factory=set)
    code: AbsentCode | None = None
    missing: Mapping[str, str] = field(default_factory=dict)

    def note(self, sequence: int, frame: Frame) -> None:
        """Add an answer, which a VLAN's interface gets a second time, then without its tag."""
        if frame.priority is not None:
            self.by_sequence[sequence] = frame.priority
            self.vlans.update({frame.vlan} if frame.vlan else ())
        else:
            self.by_sequence.setdefault(sequence, None)

    def count(self, place: int, marking_count: int) -> Counter[int | None]:
        """How often which priority came with the marking at that place."""
        return Counter(
            priority
            for sequence, priority in self.by_sequence.items()
            if sequence % marking_count == place
        )


@asynccontextmanager
async def watch_priorities(
    flow: Flow, keys: SessionKeys, open_tap: TapOpener
) -> AsyncIterator[Priorities]:
    """Note the priorities of a session's answers until the block ends; others prove no key."""
    # Binding and closing such a socket make the kernel wait for all its processors.
    opened = await asyncio.to_thread(_try_to_open, flow, open_tap)
    if isinstance(opened, Priorities):
        yield opened
        return
    seen, loop = Priorities(), asyncio.get_running_loop()

    def take() -> None:
        try:
            for frame in receive_frames(opened):
                said = parse_reflected(keys, frame.payload, padding_bytes=0, near_ns=time.time_ns())
                if said is not None:
                    seen.note(said.sequence, frame)
        except OSError:
            # An interface went down: what the others get still comes.
            return

    loop.add_reader(opened, take)
    try:
        yield seen
        take()
    finally:
        loop.remove_reader(opened)
        await asyncio.to_thread(opened.close)


def measure_priorities(courses: Sequence[ClassCourse], seen: Priorities) -> dict[str, Measure]:
    """`qos.cos.pcp` by the DSCP sent: the priority that most tagged answers had.

    N when they came without a tag, T without an answer, P or U when this host shows no frames.
    """
    measures: dict[str, Measure] = {}
    for place, course in enumerate(courses):
        if course.marking.ecn:
            continue
        counts = seen.count(place, len(courses))
        tagged = [priority for priority, _ in counts.most_common() if priority is not None]
        value: Measure
        if tagged:
            value = tagged[0]
        elif not course.answered:
            value = "T"
        else:
            value = seen.code or ("N" if counts else "U")
        measures[format_key("qos.cos.pcp", {"dscp": str(course.marking.dscp)})] = value
    return measures


def describe_priorities(courses: Sequence[ClassCourse], seen: Priorities) -> dict[str, Any]:
    """The document's part: by which method, and the counts by DSCP; or what is missing."""
    if seen.missing:
        return {"missing": [seen.missing]}
    described: dict[str, Any] = {"method": METHOD, "vlans": sorted(seen.vlans), "by_dscp": {}}
    for place, course in enumerate(courses):
        if not course.marking.ecn:
            counts = seen.count(place, len(courses))
            described["by_dscp"][str(course.marking.dscp)] = {
                "none" if priority is None else str(priority): count
                for priority, count in counts.items()
            }
    return {"priorities": described}


def _try_to_open(flow: Flow, open_tap: TapOpener) -> socket.socket | Priorities:
    try:
        return open_tap(flow)
    except PermissionError:
        program = os.path.realpath(sys.executable)
        remedy = write_grant(program, ("cap_net_raw",), read_file_rights(program))
        return Priorities(code="P", missing=describe_missing("P", WHAT, remedy))
    except OSError as error:
        reason = error.strerror or str(error)
        return Priorities(code="U", missing=describe_missing("U", f"{WHAT}: {reason}"))
