"""Metrics that are no numbers: texts and histograms, which frames and results can only miss."""

import pytest

from apps.metrics.models import Frame
from apps.tests.models import Result
from tests.factories import wire
from tests.factories.clients import make_client, make_key
from tests.factories.tests import make_assignment, make_run

pytestmark = pytest.mark.django_db

KEYS = ("system.network.link.duplex", "system.network.link.up")


@pytest.fixture
def probe():
    return make_client()


@pytest.fixture
def key(probe):
    return make_key(probe)


def test_a_frame_may_say_why_a_text_is_missing(client, key):
    frame = wire.frame((None, 1.0), id="x", keys=KEYS, absent={KEYS[0]: "U"})
    assert wire.send(client, key, frame, keys=(KEYS,))["stored"] == ["x"]
    assert Frame.objects.get().absent == {KEYS[0]: "U"}


@pytest.mark.parametrize("absent", [{}, {KEYS[1]: "U"}])
def test_a_number_for_a_text_is_refused_by_name(client, key, absent):
    values = (2.0, None if absent else 1.0)
    broken = wire.frame(values, id="broken", keys=KEYS, absent=absent)
    answer = wire.send(client, key, broken, wire.fact(id="good"), keys=(KEYS,))
    assert answer["stored"] == ["good"]
    (refusal,) = answer["rejected"]
    assert (refusal["code"], refusal["field"]) == ("malformed", "data.values[0]")
    assert "system.network.link.duplex is a text" in refusal["detail"]


@pytest.mark.parametrize("name", ["tls.version", "net.rtt.histogram"])
def test_a_result_has_texts_and_histograms_among_its_absences_only(client, key, probe, name):
    run = make_run(make_assignment(probe))
    broken = wire.result(run.assignment_id, run=run.id, values={name: 1.0})
    answer = wire.send(client, key, broken)
    (refusal,) = answer["rejected"]
    assert (refusal["code"], refusal["field"]) == ("malformed", "data.values")
    good = wire.result(run.assignment_id, run=run.id, absent={name: "T"})
    assert wire.send(client, key, good)["stored"] == [good["id"]]
    assert Result.objects.get().absent == {name: "T"}
