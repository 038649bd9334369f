"""Names with what a database cannot hold: their record is refused, its neighbours are stored."""

import pytest

from apps.metrics.models import Frame, Layout, Source
from apps.tests.models import Result
from tests.factories import wire
from tests.factories.clients import make_client, make_key
from tests.factories.tests import make_assignment, make_run

pytestmark = pytest.mark.django_db

NUL, LONE_HALF = "\x00", "\ud800"
UNSTORABLE = [NUL, LONE_HALF]
HASH = "0123456789abcdef"


@pytest.fixture
def probe():
    return make_client()


@pytest.fixture
def key(probe):
    return make_key(probe)


def send_with_neighbour(client, key, bad, *, layouts=None):
    """The refusal of the bad record, whose good neighbour is stored."""
    body = wire.batch({**bad, "id": "bad"}, wire.frame(id="good"))
    body["layouts"] |= layouts or {}
    answer = wire.post(client, "records", body, key)
    assert answer.status_code == 200, answer.content
    assert answer.json()["stored"] == ["good"]
    (refusal,) = answer.json()["rejected"]
    assert refusal["id"] == "bad"
    assert (Frame.objects.count(), Layout.objects.count()) == (1, 1)
    return refusal


@pytest.mark.parametrize("letter", UNSTORABLE)
@pytest.mark.parametrize("is_sent", [True, False])
def test_a_layout_of_an_unstorable_name_is_unknown_to_its_record_alone(
    client, key, letter, is_sent
):
    name = letter * 16
    layouts = {name: list(wire.CPU_KEYS)} if is_sent else {}
    refusal = send_with_neighbour(client, key, wire.frame(layout=name), layouts=layouts)
    assert (refusal["code"], refusal["field"]) == ("bad_text", "data.layout")


@pytest.mark.parametrize("letter", UNSTORABLE)
def test_an_unstorable_layout_that_no_record_uses_harms_nobody(client, key, letter):
    body = wire.batch(wire.frame(id="good"))
    body["layouts"][letter * 16] = [letter]
    assert wire.post(client, "records", body, key).json()["stored"] == ["good"]


@pytest.mark.parametrize("letter", UNSTORABLE)
def test_a_source_of_an_unstorable_kind_is_refused(client, key, letter):
    refusal = send_with_neighbour(client, key, wire.frame(source=(letter, "")))
    assert (refusal["code"], refusal["field"]) == ("bad_text", "data.source.kind")
    refusal = wire.send(client, key, wire.fact(source=(letter, "")))["rejected"][0]
    assert (refusal["code"], refusal["field"]) == ("bad_text", "data.source.kind")
    assert Source.objects.count() == 1


@pytest.mark.parametrize("letter", UNSTORABLE)
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{}", "unknown_metric"),
        ("net.rtt.median{}", "unknown_metric"),
        ("system.network.io{{direction={}}}", "malformed"),
        ("system.network.io{{{}=receive}}", "malformed"),
    ],
)
def test_an_unstorable_key_of_a_layout_is_refused(client, key, text, code, letter):
    bad = wire.frame([1.0], layout=HASH)
    refusal = send_with_neighbour(client, key, bad, layouts={HASH: [text.format(letter)]})
    assert refusal["code"] == code


@pytest.mark.parametrize("part", ["values", "absent"])
@pytest.mark.parametrize("letter", UNSTORABLE)
@pytest.mark.parametrize("text", ["{}", "net.rtt.median{}", "system.network.io{{direction={}}}"])
def test_an_unstorable_key_of_a_result_is_refused(client, key, probe, part, text, letter):
    run = make_run(make_assignment(probe))
    content = {text.format(letter): 1.0 if part == "values" else "T"}
    refusal = send_with_neighbour(
        client, key, wire.result(run.assignment_id, run=run.id, **{part: content})
    )
    assert refusal["code"] in {"unknown_metric", "malformed", "bad_text"}
    assert not Result.objects.exists()


@pytest.mark.parametrize("letter", UNSTORABLE)
def test_an_unstorable_fact_of_a_result_is_refused(client, key, probe, letter):
    run = make_run(make_assignment(probe))
    for facts in ({letter: "x"}, {"x": letter}):
        bad = wire.result(run.assignment_id, run=run.id, facts=facts)
        refusal = wire.send(client, key, bad)["rejected"][0]
        assert refusal["code"] == "bad_text"
    assert not Result.objects.exists()


@pytest.mark.parametrize(
    "name", ["net.rtt.median\n", "\nnet.rtt.median", "system.network.io{direction=receive\n}\n"]
)
def test_a_key_must_match_to_its_very_end(client, key, probe, name):
    send_with_neighbour(client, key, wire.frame([1.0], layout=HASH), layouts={HASH: [name]})
    run = make_run(make_assignment(probe))
    bad = wire.result(run.assignment_id, run=run.id, values={name: 1.0})
    assert wire.send(client, key, bad)["rejected"]
    assert not Result.objects.exists()
