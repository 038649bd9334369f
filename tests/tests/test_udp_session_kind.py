"""What the server knows of UDP sessions: their load, their limits, and runs back to back."""

import pytest

from apps.tests.kinds import KINDS
from tests.factories.kinds import ANSWERING
from tests.factories.pairs import make_end, make_pair

KIND = KINDS["udp_session"]
INVENTORY = {
    **ANSWERING,
    "probes": ["udp_session"],
    "responder": {"port": 8620, "kinds": ["udp_session"]},
}


@pytest.mark.parametrize(("padding_bytes", "bits"), [(0, 27_840), (1000, 187_840)])
def test_the_load_is_a_packet_and_its_answer_each_interval(padding_bytes, bits):
    load = KIND.estimate_load({"padding_bytes": padding_bytes}, 1.0, duration_seconds=60)
    assert load.packets_per_second == pytest.approx(20)
    assert load.bits_per_second == pytest.approx(bits)


@pytest.mark.parametrize(
    "parameters",
    [{"interval_seconds": 0.001}, {"padding_bytes": 9000}, {"schedule": "now"}, {"dscp": 64}],
)
def test_a_parameter_beyond_its_limit_is_named(parameters):
    (problem,) = KIND.check_parameters(parameters)
    assert problem.field == f"parameters.{next(iter(parameters))}"


@pytest.mark.django_db
def test_a_session_may_go_on_for_ever_with_a_result_each_minute():
    ends = [make_end(name, inventory=INVENTORY) for name in ("near", "far")]
    pair = make_pair(*ends, kind="udp_session", schedule_kind="continuous", duration_seconds=60)
    assert pair.test.schedule_kind == "continuous"
    assert pair.peer.name == "far"
