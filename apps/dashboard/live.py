"""What happened in the apps below, passed on to the browsers that look at it.

A hint only says that something changed, never what: each page then fetches its own part, scoped
to its user. Values of frames go only to groups that joining was checked for.
"""

from typing import Any

from apps.clients.published import ClientChanged, HeartbeatRecorded, PresenceChanged
from apps.core.bus import subscribe
from apps.core.push import push
from apps.dashboard.charts import is_drawn
from apps.dashboard.topics import FINDINGS, LEARNING, OVERVIEW, PAPERS, name_group, name_topic
from apps.metrics.published import DocumentRecorded, FramesRecorded, RecordedFrame
from apps.ml.published import FeedbackGiven, FindingRaised, ModelChanged, TrainingChanged
from apps.reports.published import PapersChanged
from apps.tests.published import RunFinished, RunStarted, TestChanged

MESSAGE_TYPE = "live.message"


def connect() -> None:
    """Subscribe to the events of the apps below."""
    subscribe(FramesRecorded, pass_frames_on)
    subscribe(RunStarted, hint_run)
    subscribe(RunFinished, hint_run)
    subscribe(PresenceChanged, hint_client)
    subscribe(ClientChanged, hint_client)
    subscribe(HeartbeatRecorded, pass_heartbeat_on)
    subscribe(DocumentRecorded, hint_document)
    subscribe(TestChanged, hint_test)
    subscribe(TrainingChanged, hint_learning)
    subscribe(ModelChanged, hint_learning)
    subscribe(FindingRaised, hint_finding)
    subscribe(FeedbackGiven, hint_finding)
    subscribe(PapersChanged, hint_papers)


def hint(*topics: str) -> None:
    for topic in topics:
        push(name_group(topic), {"type": MESSAGE_TYPE, "hint": topic})


def hint_run(event: RunStarted | RunFinished) -> None:
    hint(
        OVERVIEW,
        name_topic("run", event.run_id),
        name_topic("test", event.test_id),
        name_topic("client", event.client_id),
    )


def hint_client(event: PresenceChanged | ClientChanged) -> None:
    hint(OVERVIEW, name_topic("client", event.client_id))


def hint_document(event: DocumentRecorded) -> None:
    hint(name_topic("client", event.client_id))


def hint_test(event: TestChanged) -> None:
    hint(OVERVIEW, name_topic("test", event.test_id))


def hint_learning(_event: TrainingChanged | ModelChanged) -> None:
    hint(LEARNING)


def hint_finding(event: FindingRaised | FeedbackGiven) -> None:
    hint(FINDINGS, OVERVIEW, name_topic("client", event.client_id))


def hint_papers(_event: PapersChanged) -> None:
    hint(PAPERS)


def pass_heartbeat_on(event: HeartbeatRecorded) -> None:
    """As a frame without figures: only the page that draws heartbeats takes notice."""
    topic = name_topic("client", event.client_id)
    frame = {
        "topic": topic,
        "source": "heartbeat",
        "subject": "",
        "at": event.at.timestamp(),
        "values": {},
    }
    push(name_group(topic), {"type": MESSAGE_TYPE, "frames": [frame]})


def pass_frames_on(event: FramesRecorded) -> None:
    by_topic: dict[str, list[dict[str, Any]]] = {}
    for frame in event.frames:
        if frame.source_kind == "assignment":
            topic, values = name_topic("assignment", frame.source_subject), select_values(frame)
        else:
            topic = name_topic("client", event.client_id)
            values = {
                key: value
                for key, value in select_values(frame).items()
                if is_drawn(frame.source_kind, key)
            }
        if values:
            by_topic.setdefault(topic, []).append(describe_frame(topic, frame, values))
    for topic, frames in by_topic.items():
        push(name_group(topic), {"type": MESSAGE_TYPE, "frames": frames})


def select_values(frame: RecordedFrame) -> dict[str, float]:
    pairs = zip(frame.keys, frame.values, strict=True)
    return {key: value for key, value in pairs if value is not None}


def describe_frame(topic: str, frame: RecordedFrame, values: dict[str, float]) -> dict[str, Any]:
    return {
        "topic": topic,
        "source": frame.source_kind,
        "subject": frame.source_subject if frame.source_kind != "assignment" else "",
        "at": frame.at.timestamp(),
        "values": values,
    }
