"""Numbers and names at the edges: stored as they are, or refused alone and shown to people."""

import json
import math

import pytest
from django.urls import reverse

from apps.ingest.models import RejectedRecord
from apps.metrics.models import Frame, Layout
from apps.metrics.services import hash_layout
from tests.factories import wire
from tests.factories.accounts import make_user
from tests.factories.clients import make_client, make_key

pytestmark = pytest.mark.django_db

MANY = 100_000


@pytest.fixture
def key():
    return make_key(make_client())


def send_text(client, key, *records, layouts=None):
    """The answer to records whose text is sent as it is."""
    body = wire.batch()
    body["layouts"] |= layouts or {}
    text = json.dumps(body).replace('"records": []', f'"records": [{", ".join(records)}]')
    answer = wire.post_zipped(client, text.encode(), key)
    assert answer.status_code == 200, answer.content
    return answer.json()


def spoil(text):
    return json.dumps(wire.frame((77.5, 0.5), id="odd")).replace("77.5", text)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("-0.0", -0.0),
        ("-0", 0.0),
        (str(2**63), float(2**63)),
        (str(-(2**63)), float(-(2**63))),
        ("1e308", 1e308),
        ("5e-324", 5e-324),
        ("1e-400", 0.0),
    ],
)
def test_what_a_double_can_hold_is_stored(client, key, text, stored):
    answer = send_text(client, key, spoil(text))
    assert answer["stored"] == ["odd"]
    assert Frame.objects.get().values[0] == stored


def test_a_negative_zero_keeps_its_sign(client, key):
    send_text(client, key, spoil("-0.0"))
    assert math.copysign(1, Frame.objects.get().values[0]) == -1


@pytest.mark.parametrize("text", ["1e400", "-1e400", "1" + "0" * 400, "NaN", "-Infinity"])
def test_what_no_double_can_hold_is_refused_alone(client, key, text):
    answer = send_text(client, key, spoil(text), json.dumps(wire.frame(id="good")))
    assert answer["stored"] == ["good"]
    assert set(wire.codes(answer)) == {"odd"}


@pytest.mark.parametrize(
    "name",
    [
        "net.rtt.median{unit=ms}",
        "net.rtt.median_ms",
        "net.rtt.median (ms)",
        "NET.RTT.MEDIAN",
        "system.network.io{direction=sideways,direction=receive}",
    ],
)
def test_a_key_of_a_wrong_unit_or_spelling_is_refused_alone(client, key, name):
    layout_hash = hash_layout([name])
    odd = wire.frame((1.0,), layout=layout_hash, id="odd")
    answer = send_text(
        client, key, json.dumps(odd), json.dumps(wire.frame(id="good")),
        layouts={layout_hash: [name]},
    )  # fmt: skip
    assert answer["stored"] == ["good"]
    assert set(wire.codes(answer)) == {"odd"}
    assert Layout.objects.count() == 1


def test_a_hundred_thousand_names_in_a_layout_are_refused_alone(client, key):
    names = [f"system.cpu.utilization{{cpu={number}}}" for number in range(MANY)]
    layout_hash = hash_layout(names)
    odd = wire.frame((1.0,), layout=layout_hash, id="odd")
    answer = send_text(
        client, key, json.dumps(odd), json.dumps(wire.frame(id="good")),
        layouts={layout_hash: names},
    )  # fmt: skip
    assert answer["stored"] == ["good"]
    assert wire.codes(answer) == {"odd": "layout_length"}
    assert Layout.objects.count() == 1


def test_a_hundred_thousand_names_in_a_result_are_refused_alone(client, key):
    values = {f"net.rtt.median{{hop={number}}}": 1.0 for number in range(MANY)}
    odd = wire.result("0" * 8 + "-0000-4000-8000-" + "0" * 12, run=make_client("other").id)
    odd["data"]["values"], odd["id"] = values, "odd"
    answer = send_text(client, key, json.dumps(odd), json.dumps(wire.frame(id="good")))
    assert answer["stored"] == ["good"]
    assert wire.codes(answer) == {"odd": "too_long"}


def test_the_same_poison_again_is_the_same_answer_and_never_a_fault(client, key):
    """An agent moves it aside; one that does not can send it for ever."""
    answers = [send_text(client, key, spoil("1e400")) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]


def test_people_see_what_was_refused_and_why(client, key):
    send_text(client, key, spoil("1e400"))
    kept = RejectedRecord.objects.get()
    assert (kept.code, kept.field) == ("out_of_range", "data.values[0]")
    client.force_login(make_user("root", "admin", is_staff=True))
    page = client.get(reverse("admin:ingest_rejectedrecord_changelist"))
    assert "out_of_range" in page.content.decode()
    counts = client.get(reverse("admin:ingest_refusalcount_changelist"))
    assert "out_of_range" in counts.content.decode()
