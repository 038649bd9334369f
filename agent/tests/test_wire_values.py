import gzip
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamswarm_agent.errors import ParametersRefused
from streamswarm_agent.wire.batches import encode_batch
from streamswarm_agent.wire.catalogue import load_metrics
from streamswarm_agent.wire.keys import format_key, parse_key
from streamswarm_agent.wire.kinds import complete_parameters, list_kinds
from streamswarm_agent.wire.layouts import build_layout
from streamswarm_agent.wire.records import (
    Source,
    SpooledRecord,
    build_fact,
    build_frame,
    hash_inventory,
    make_sequence,
    split_measurements,
)
from streamswarm_agent.wire.results import Finding, StartedRun, build_result
from streamswarm_agent.wire.times import format_time, parse_time

ATTRIBUTE_VALUES = st.text(min_size=1, max_size=64).filter(
    lambda text: not any(char in ",={}" or ord(char) < 32 or ord(char) == 127 for char in text)
)


def test_a_time_stamp_has_microseconds_and_a_z():
    assert format_time(1_769_860_800.25) == "2026-01-31T12:00:00.250000Z"


@given(st.integers(0, 4_000_000_000_000))
def test_a_time_stamp_survives_the_journey(milliseconds):
    assert abs(parse_time(format_time(milliseconds / 1000)) - milliseconds / 1000) < 2e-6


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="zone"):
        parse_time("2026-01-31T12:00:00.000000")


def test_the_attributes_of_a_key_are_sorted():
    key = format_key("system.cpu.utilization", {"state": "user", "cpu": "0"})
    assert key == "system.cpu.utilization{cpu=0,state=user}"


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), ATTRIBUTE_VALUES, max_size=4))
def test_a_key_can_be_taken_apart_again(attributes):
    assert parse_key(format_key("a.metric", attributes)) == ("a.metric", attributes)


@pytest.mark.parametrize("key", ["", "a{", "a{}", "a{b}", "a{z=1,a=1}", "a{b=1}{c=2}"])
def test_a_key_that_is_not_canonical_is_refused(key):
    with pytest.raises(ValueError, match=r"metric key|cannot hold"):
        parse_key(key)


@pytest.mark.parametrize("value", ["", "a,b", "a=b", "{", "a\n", "x" * 65])
def test_an_attribute_value_that_would_break_a_key_is_refused(value):
    with pytest.raises(ValueError, match="cannot hold"):
        format_key("a.metric", {"name": value})


def test_equal_sets_of_keys_share_a_layout_and_its_hash_is_the_wires():
    layout = build_layout(["b", "a"])
    assert layout == build_layout(["a", "b"])
    assert layout.hash == "7e18f737311b2dc3"


def test_a_layout_of_more_than_256_keys_is_refused():
    with pytest.raises(ValueError, match="256"):
        build_layout(str(number) for number in range(257))


def test_every_metric_of_the_catalogue_has_a_unit():
    metrics = load_metrics()
    assert metrics["net.rtt.mean"].unit == "s"
    assert all(metric.unit for metric in metrics.values())


@pytest.mark.parametrize("kind", list_kinds())
def test_the_defaults_of_a_kind_keep_its_own_rules(kind):
    required = {"dns": {"name": "example.org"}, "tcp": {"port": 443}}.get(kind, {})
    completed = complete_parameters(kind, required)
    assert complete_parameters(kind, completed) == completed


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        ("ping", {"interval_seconds": 0.001}, r"interval_seconds: .*minimum of 0\.01"),
        ("ping", {"sise_bytes": 56}, "sise_bytes"),
        ("tcp", {}, "port"),
        ("dns", {"name": "x", "record_type": "LOC"}, "record_type: 'LOC'"),
        ("telepathy", {}, "unknown kind of test 'telepathy'"),
    ],
)
def test_parameters_that_break_a_rule_are_refused_by_field_and_limit(kind, parameters, message):
    with pytest.raises(ParametersRefused, match=message):
        complete_parameters(kind, parameters)


def test_sequences_rise_within_a_boot_and_from_boot_to_boot():
    assert make_sequence(1, 1) < make_sequence(1, 2**40 - 1) < make_sequence(2, 0)


@given(st.dictionaries(st.from_regex(r"m\.[a-z]{1,6}", fullmatch=True), st.floats(), max_size=600))
def test_every_null_of_a_frame_has_a_reason_and_every_reason_a_null(values):
    frames = list(split_measurements(values, {"x.absent": "T"}))
    keys = [key for layout, _, _ in frames for key in layout.keys]
    assert sorted(keys) == sorted({*values, "x.absent"})
    for layout, numbers, codes in frames:
        assert len(layout.keys) == len(numbers) <= 256
        nulls = {key for key, number in zip(layout.keys, numbers, strict=True) if number is None}
        assert nulls == set(codes)
        assert all(number is None or math.isfinite(number) for number in numbers)


def test_a_frame_of_600_keys_becomes_three_frames():
    values = {f"m.{number}": 1.0 for number in range(600)}
    assert [len(numbers) for _, numbers, _ in split_measurements(values, {})] == [256, 256, 88]


def test_a_result_has_no_number_that_json_cannot_carry():
    started = StartedRun("run", "assignment", 1, 1, "2026-01-31T12:00:00.000000Z")
    finding = Finding("completed", is_success=True, values={"a": math.nan, "b": 1.0})
    payload = json.loads(build_result(started, finding, finished_at="later").payload)
    assert payload["values"] == {"b": 1.0}
    assert payload["absent"] == {"a": "U"}


def test_a_fact_is_cut_to_what_the_wire_takes():
    fact = build_fact(Source("host", ""), at="now", key="motd", value="x" * 5000)
    assert len(json.loads(fact.payload)["value"]) == 1024


def test_the_order_of_its_fields_does_not_change_the_hash_of_an_inventory():
    assert hash_inventory({"a": 1, "b": "ü"}) == hash_inventory({"b": "ü", "a": 1})
    assert hash_inventory({"a": 1}) != hash_inventory({"a": 2})


def test_a_frames_text_is_in_the_batch_as_it_was_measured():
    measurement = next(split_measurements({"a.metric": 0.1}, {}))
    frame = build_frame(Source("host", ""), at="now", sequence=7, measurement=measurement)
    spooled = SpooledRecord(1, "frame", frame.at, frame.layout.hash, frame.payload, 0)
    body = encode_batch([spooled], {frame.layout.hash: frame.layout.keys})
    assert frame.payload.encode() in gzip.decompress(body)
    batch = json.loads(gzip.decompress(body))
    assert batch["layouts"] == {frame.layout.hash: ["a.metric"]}
    assert batch["records"][0]["id"] == "1"
