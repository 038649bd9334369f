import json
from dataclasses import asdict

import pytest

from streamswarm_agent.laboratory.impairment import Impairment, ImpairmentRefused, read_impairment


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("delay_seconds", -1),
        ("delay_seconds", float("nan")),
        ("drop_ratio", 1.1),
        ("mtu_bytes", 575),
        ("jitter_shape", "square"),
        ("only", "sctp"),
        ("dscp_delay_seconds", {64: 0.1}),
        ("dscp_delay_seconds", {0: -0.1}),
    ],
)
def test_what_no_path_could_be_is_refused_by_its_name(field, value):
    with pytest.raises(ImpairmentRefused, match=field):
        Impairment(**{field: value})


def test_an_unknown_field_is_refused():
    with pytest.raises(ImpairmentRefused, match="los: no such field"):
        read_impairment({"los": 1})


def test_an_impairment_is_the_same_after_its_way_as_json():
    impairment = Impairment(delay_seconds=0.02, dscp_delay_seconds={46: 0.002}, only="udp")
    assert read_impairment(json.loads(json.dumps(asdict(impairment)))) == impairment
