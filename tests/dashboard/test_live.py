"""From an event of an app below to the group it is pushed to, and how cheaply."""

import re
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from apps.clients.published import ClientChanged, PresenceChanged
from apps.core.bus import publish
from apps.dashboard import live
from apps.metrics.published import FramesRecorded, RecordedFrame
from apps.ml.published import FeedbackGiven, FindingRaised
from apps.reports.published import PapersChanged
from apps.tests.published import RunFinished, RunStarted, TestChanged

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
GROUP = re.compile(r"^[A-Za-z0-9_.-]{1,99}$")


def make_frame(kind, subject, values):
    return RecordedFrame(
        source_id=1,
        source_kind=kind,
        source_subject=subject,
        at=AT,
        seq=1,
        keys=tuple(values),
        values=tuple(values.values()),
    )


def groups_of(pushed):
    return [group for group, _message in pushed]


def test_frames_go_to_their_client_or_assignment_and_cost_no_query(
    silent_push, django_assert_num_queries, db
):
    client, assignment = uuid4(), uuid4()
    host = make_frame("host", "", {"system.cpu.utilization": 0.5, "system.users.count": 3.0})
    network = make_frame("interface", "eth0", {"system.network.io.rate{direction=receive}": 8.0})
    ping = make_frame("assignment", str(assignment), {"net.rtt.median": 0.01, "net.rtt.p95": None})
    with django_assert_num_queries(0):
        live.pass_frames_on(FramesRecorded(client, (host, network, ping)))
    [(client_group, for_client), (assignment_group, for_assignment)] = silent_push
    assert client_group == f"live.client.{client}"
    assert [frame["values"] for frame in for_client["frames"]] == [
        {"system.cpu.utilization": 0.5},
        {"system.network.io.rate{direction=receive}": 8.0},
    ]
    assert assignment_group == f"live.assignment.{assignment}"
    assert for_assignment["frames"] == [
        {
            "topic": f"assignment:{assignment}",
            "source": "assignment",
            "subject": "",
            "at": AT.timestamp(),
            "values": {"net.rtt.median": 0.01},
        }
    ]


def test_frames_that_no_page_draws_are_not_pushed(silent_push):
    cores = make_frame("cpu", "", {"system.cpu.utilization{cpu=0}": 0.5})
    live.pass_frames_on(FramesRecorded(uuid4(), (cores,)))
    assert silent_push == []


@pytest.mark.parametrize(
    ("event", "kinds"),
    [
        (RunStarted(uuid4(), uuid4(), uuid4(), uuid4()), {"run", "test", "client"}),
        (RunFinished(uuid4(), uuid4(), uuid4(), uuid4(), "finished"), {"run", "test", "client"}),
        (PresenceChanged(uuid4(), "late", "online"), {"client"}),
        (ClientChanged(uuid4()), {"client"}),
        (TestChanged(uuid4()), {"test"}),
        (FindingRaised(uuid4(), uuid4(), "diagnosis", "info"), {"findings", "client"}),
        (FeedbackGiven(uuid4()), {"findings", "client"}),
    ],
)
def test_a_change_is_only_hinted_at(
    silent_push, db, django_capture_on_commit_callbacks, event, kinds
):
    with django_capture_on_commit_callbacks(execute=True):
        publish(event)
    assert {group.split(".")[1] for group in groups_of(silent_push)} == {"overview", *kinds}
    assert all(GROUP.match(group) for group in groups_of(silent_push))
    assert all(set(message) == {"type", "hint"} for _group, message in silent_push)


def test_of_reports_and_exports_only_their_own_pages_hear(
    silent_push, db, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        publish(PapersChanged())
    assert silent_push == [("live.papers", {"type": "live.message", "hint": "papers"})]
