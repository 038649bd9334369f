"""Uploading records: what is stored, what is a duplicate, and what is refused with which code."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from apps.clients.models import Client
from apps.core.clock import read_now
from apps.ingest import services
from apps.ingest.models import RefusalCount, RejectedRecord
from apps.metrics.models import Fact, Frame, IngestBatch, Latest, Layout, Source
from tests.factories import wire
from tests.factories.clients import INVENTORY, make_client, make_key
from tests.factories.tests import make_assignment

pytestmark = pytest.mark.django_db


@pytest.fixture
def probe():
    return make_client()


@pytest.fixture
def key(probe):
    return make_key(probe)


def test_a_good_batch_is_stored_whole(client, key, probe):
    frames = [wire.frame(id="a"), wire.frame(id="b", source=("interface", "eth0"))]
    answer = wire.send(client, key, *frames, wire.fact(id="c"))
    assert answer == {"stored": ["a", "b", "c"], "duplicate": [], "rejected": []}
    assert Frame.objects.count() == 2
    assert {str(source) for source in Source.objects.filter(client=probe)} == {
        "host",
        "interface:eth0",
    }
    batch = IngestBatch.objects.get()
    assert (batch.stored, batch.duplicate, batch.rejected) == (3, 0, 0)


def test_values_come_back_exactly_as_they_were_sent(client, key):
    values = (1e-300, None, 5e300, -0.1)
    keys = [f"system.cpu.load_average.{n}m" for n in (1, 5, 15)] + ["system.cpu.utilization"]
    wire.send(client, key, wire.frame(values, keys=keys, absent={keys[1]: "U"}), keys=(keys,))
    frame = Frame.objects.get()
    assert list(frame.values) == list(values)
    assert frame.absent == {keys[1]: "U"}


def test_the_same_batch_twice_stores_nothing_new(client, key):
    body = wire.batch(wire.frame(id="f"), wire.fact(id="g"))
    first = wire.post(client, "records", body, key).json()
    second = wire.post(client, "records", body, key).json()
    assert first["stored"] == ["f", "g"]
    assert second == {"stored": [], "duplicate": ["f", "g"], "rejected": []}
    assert (Frame.objects.count(), Fact.objects.count()) == (1, 1)


def test_of_two_equal_frames_in_a_batch_the_first_counts(client, key):
    at = read_now()
    frames = [
        wire.frame(id=name, seq=7, at=at, values=values)
        for name, values in (("a", (0.1, 0.2)), ("b", (0.3, 0.4)))
    ]
    answer = wire.send(client, key, *frames)
    assert (answer["stored"], answer["duplicate"]) == (["a"], ["b"])
    assert list(Frame.objects.get().values) == [0.1, 0.2]


def test_frames_in_any_order_leave_the_newest_as_the_latest(client, key):
    now = read_now()
    ages = [3, 0, 2, 1]
    for age in ages:
        wire.send(
            client, key, wire.frame((age, age), at=now - timedelta(minutes=age), seq=10 - age)
        )
    latest = Latest.objects.get()
    assert list(latest.values) == [0.0, 0.0]
    assert Frame.objects.count() == len(ages)


def test_frames_in_any_order_within_a_batch_leave_the_newest_as_the_latest(client, key):
    now = read_now()
    frames = [
        wire.frame((age, age), at=now - timedelta(minutes=age), seq=10 - age)
        for age in (3, 0, 2, 1)
    ]
    wire.send(client, key, *frames)
    assert list(Latest.objects.get().values) == [0.0, 0.0]


def test_a_higher_sequence_number_breaks_a_tie_of_time(client, key):
    at = read_now()
    wire.send(
        client, key, wire.frame((2.0, 2.0), at=at, seq=2), wire.frame((1.0, 1.0), at=at, seq=1)
    )
    assert list(Latest.objects.get().values) == [2.0, 2.0]


def test_bad_records_never_harm_their_neighbours(client, key):
    old = read_now() - timedelta(days=8)
    answer = wire.send(
        client,
        key,
        wire.frame(id="good-1"),
        wire.frame(id="old", at=old),
        {"id": "no-kind"},
        17,
        wire.frame(id="good-2", source=("interface", "eth0")),
        wire.record("window", {}, id="window"),
    )
    assert answer["stored"] == ["good-1", "good-2"]
    assert wire.codes(answer) == {
        "old": "too_old",
        "no-kind": "malformed",
        "#3": "malformed",
        "window": "not_supported",
    }
    assert Frame.objects.count() == 2
    assert RejectedRecord.objects.count() == 4


@pytest.mark.parametrize(
    ("build", "code", "field"),
    [
        (lambda: wire.record("no_such_kind", {}), "unknown_kind", "kind"),
        (lambda: wire.record("packets", {}), "not_supported", "kind"),
        (lambda: wire.frame(layout="0" * 16), "unknown_layout", "data.layout"),
        (lambda: wire.frame((1.0,)), "layout_length", "data.values"),
        (lambda: wire.frame((1.0, None)), "malformed", "data.values[1]"),
        (
            lambda: wire.frame(absent={"system.cpu.utilization": "U"}),
            "malformed",
            "data.absent",
        ),
        (
            lambda: wire.frame((1.0, None), absent={"system.cpu.load_average.1m": "X"}),
            "malformed",
            "data.absent[...]",
        ),
        (lambda: wire.frame(seq=-1), "out_of_range", "data.seq"),
        (lambda: wire.frame(seq=2**63), "out_of_range", "data.seq"),
        (lambda: wire.frame((True, 1.0)), "malformed", "data.values[0]"),
        (lambda: wire.frame(source=("weather", "")), "malformed", "data.source.kind"),
        (lambda: wire.frame(source=("host", "x" * 256)), "too_long", "data.source.subject"),
        (lambda: wire.frame(source=("host", "a\x00b")), "bad_text", "data.source.subject"),
        (lambda: wire.frame(at=read_now() - timedelta(days=7, seconds=5)), "too_old", "at"),
        (lambda: wire.frame(at=read_now() + timedelta(hours=25)), "in_future", "at"),
        (lambda: wire.frame(at="9999-12-31T23:59:59-14:00"), "in_future", "at"),
        (lambda: wire.frame(at="0001-01-01T00:00:00+14:00"), "too_old", "at"),
        (lambda: wire.frame(at="2026-01-31T12:00:00"), "malformed", "at"),
        (lambda: wire.frame(at="yesterday"), "malformed", "at"),
        (
            lambda: wire.frame(source=("assignment", str(uuid4()))),
            "unknown_assignment",
            "data.source.subject",
        ),
        (lambda: wire.fact(value="x" * 1025), "too_long", "data.value"),
        (lambda: wire.fact(value="half \ud800 pair"), "bad_text", "data.value"),
        (lambda: wire.fact(key="a\x00"), "bad_text", "data.key"),
        (lambda: wire.record("fact", {"key": "x"}), "malformed", "data.source"),
        (
            lambda: wire.record("inventory", {"interfaces": [{}]}),
            "malformed",
            "data.interfaces[0].name",
        ),
        (lambda: wire.record("inventory", {"hostname": "\x00"}), "bad_text", "data.hostname"),
    ],
)
def test_a_record_that_breaks_a_rule_is_refused_by_name(client, key, build, code, field):
    broken, good = build(), wire.fact(id="good")
    broken["id"] = "broken"
    answer = wire.send(client, key, broken, good)
    assert answer["stored"] == ["good"]
    (refusal,) = answer["rejected"]
    assert (refusal["id"], refusal["code"], refusal["field"]) == ("broken", code, field)
    assert refusal["detail"]


def test_a_layout_with_an_unknown_metric_is_refused_by_name(client, key):
    keys = ("system.cpu.utilization", "no.such.metric")
    answer = wire.send(client, key, wire.frame(id="x", keys=keys), keys=(keys,))
    (refusal,) = answer["rejected"]
    assert refusal["code"] == "unknown_metric"
    assert "no.such.metric" in refusal["detail"]
    assert not Layout.objects.exists()


@pytest.mark.parametrize(
    "keys",
    [
        ["system.cpu.utilization"] * 2,
        [],
        [f"system.cpu.core.utilization{{cpu={n}}}" for n in range(257)],
    ],
)
def test_a_layout_of_wrong_length_or_with_repetitions_is_refused(client, key, keys):
    answer = wire.send(client, key, wire.frame([], id="x", keys=keys), keys=(keys,))
    assert wire.codes(answer)["x"] in {"layout_length", "malformed", "unknown_metric"}
    assert not Layout.objects.exists()


def test_a_layout_that_lies_about_its_hash_is_refused(client, key):
    body = wire.batch(wire.frame(id="x"))
    body["layouts"] = {name: ["net.rtt.median"] for name in body["layouts"]}
    answer = wire.post(client, "records", body, key).json()
    assert wire.codes(answer) == {"x": "malformed"}


def test_a_layout_once_known_need_not_be_sent_again(client, key):
    wire.send(client, key, wire.frame())
    answer = wire.send(client, key, wire.frame(id="again"), keys=())
    assert answer["stored"] == ["again"]


def test_an_id_that_occurs_twice_in_a_batch_is_refused_the_second_time(client, key):
    answer = wire.send(client, key, wire.frame(id="same"), wire.fact(id="same"))
    assert answer["stored"] == ["same"]
    assert wire.codes(answer) == {"same": "malformed"}


def test_the_1025th_source_of_a_client_is_refused(client, key, probe):
    Source.objects.bulk_create(
        Source(client=probe, kind="interface", subject=f"eth{n}") for n in range(1024)
    )
    answer = wire.send(
        client,
        key,
        wire.frame(id="one too many", source=("interface", "eth1024")),
        wire.frame(id="known", source=("interface", "eth7")),
    )
    assert answer["stored"] == ["known"]
    assert wire.codes(answer) == {"one too many": "out_of_range"}


def test_the_1025th_layout_that_a_client_brings_is_refused_and_counted(client, key, probe):
    Layout.objects.bulk_create(
        Layout(hash=f"{n:016x}", keys=[wire.PING_KEYS[0]], brought_by=probe.id) for n in range(1023)
    )
    answer = wire.send(client, key, wire.frame(id="the last"))
    assert answer["stored"] == ["the last"]
    new = wire.frame((0.1,), id="one too many", keys=(wire.CPU_KEYS[1],))
    known = wire.frame(id="known")
    answer = wire.send(client, key, new, known, keys=((wire.CPU_KEYS[1],), wire.CPU_KEYS))
    assert answer["stored"] == ["known"]
    (refusal,) = answer["rejected"]
    assert (refusal["code"], refusal["field"]) == ("out_of_range", "data.layout")
    assert "at most 1024" in refusal["detail"]
    assert RefusalCount.objects.get(client=probe).count == 1
    # Another client may bring it, and then it is known to all.
    other = make_key(make_client("other"))
    again = wire.send(client, other, new, keys=((wire.CPU_KEYS[1],),))
    assert again["stored"] == ["one too many"]
    assert wire.send(client, key, new, keys=())["stored"] == ["one too many"]


def test_another_clients_assignment_is_refused(client, key):
    foreign = make_assignment(make_client("other"))
    answer = wire.send(
        client,
        key,
        wire.frame(id="f", source=("assignment", str(foreign.id)), keys=wire.PING_KEYS),
        wire.fact(id="g", source=("assignment", str(foreign.id))),
    )
    assert wire.codes(answer) == {"f": "unknown_assignment", "g": "unknown_assignment"}
    assert not Frame.objects.exists()


def test_frames_of_the_own_assignment_go_to_its_source(client, key, probe):
    own = make_assignment(probe)
    wire.send(client, key, wire.frame(source=("assignment", str(own.id)), keys=wire.PING_KEYS))
    assert Frame.objects.get().source_id == own.source_id


def test_a_client_named_in_the_body_is_ignored(client, key, probe):
    other = make_client("other")
    body = {**wire.batch(wire.frame()), "client": str(other.id), "client_id": str(other.id)}
    wire.post(client, "records", body, key)
    assert Source.objects.get().client_id == probe.id


def test_a_fact_that_still_holds_is_a_duplicate(client, key):
    now = read_now()
    first = wire.fact("os", "Debian", id="1", at=now)
    again = wire.fact("os", "Debian", id="2", at=now + timedelta(seconds=1))
    other = wire.fact("os", "Alpine", id="3", at=now + timedelta(seconds=2))
    back = wire.fact("os", "Debian", id="4", at=now + timedelta(seconds=3))
    answer = wire.send(client, key, first, again, other, back)
    assert (answer["stored"], answer["duplicate"]) == (["1", "3", "4"], ["2"])


def test_an_inventory_record_describes_the_client_anew(client, key, probe):
    wire.send(client, key, wire.record("inventory", INVENTORY))
    stored = Client.objects.get(id=probe.id)
    assert stored.hostname == "probe-1.example"
    assert [row.name for row in stored.interfaces.all()] == ["eth0"]
    without = {**INVENTORY, "interfaces": []}
    wire.send(client, key, wire.record("inventory", without))
    assert not stored.interfaces.exists()


def test_an_empty_batch_is_fine(client, key):
    assert wire.send(client, key) == {"stored": [], "duplicate": [], "rejected": []}


def test_rejected_records_are_kept_with_a_readable_beginning(client, key, probe):
    hostile = wire.fact("<img src=x onerror=alert(1)>", "x" * 2000, id="a\nb")
    wire.send(client, key, hostile)
    kept = RejectedRecord.objects.get(client=probe)
    assert kept.record_id == "a?b"
    assert len(kept.sample) <= 500


def test_at_most_twenty_rejected_records_of_a_batch_are_kept(client, key):
    old = datetime(2000, 1, 1, tzinfo=UTC)
    answer = wire.send(client, key, *[wire.fact(at=old) for _ in range(30)])
    assert len(answer["rejected"]) == 30
    assert RejectedRecord.objects.count() == 20


def test_of_a_client_that_is_always_refused_the_newest_are_kept(client, key, probe, monkeypatch):
    monkeypatch.setattr(services, "REJECTED_KEPT_PER_CLIENT", 30)
    old = datetime(2000, 1, 1, tzinfo=UTC)
    for number in range(4):
        wire.send(client, key, *[wire.fact(at=old, id=f"{number}-{n}") for n in range(15)])
    kept = RejectedRecord.objects.order_by("id").values_list("record_id", flat=True)
    assert list(kept) == [f"{number}-{n}" for number in (2, 3) for n in range(15)][-len(kept) :]
    assert 15 < len(kept) <= 30
    assert RefusalCount.objects.get(client=probe).count == 60
