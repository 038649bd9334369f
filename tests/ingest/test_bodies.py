"""Bodies that are no honest batch: too large, cut, bombs, not JSON, or not quite."""

import gzip
import json
import tracemalloc
from uuid import uuid4

import pytest

from apps.ingest import checks, codec
from apps.metrics.models import Frame
from tests.factories import wire
from tests.factories.clients import make_client, make_key

pytestmark = pytest.mark.django_db

MEGABYTE = 1_000_000


@pytest.fixture
def key():
    return make_key(make_client())


def write(*records):
    """A batch as text around records that are text already, so that they may be no JSON."""
    layouts = json.dumps(wire.layout(wire.CPU_KEYS))
    text = ",".join(records)
    return f'{{"batch": "{uuid4()}", "layouts": {layouts}, "records": [{text}]}}'.encode(
        "utf-8", "surrogatepass"
    )


def refuse_whole(answer, status=400, code="malformed_batch"):
    assert answer.status_code == status, answer.content
    assert answer.json()["code"] == code
    assert not Frame.objects.exists()


def test_a_zipped_batch_is_taken(client, key):
    answer = wire.post_zipped(client, wire.batch(wire.frame(id="a")), key)
    assert answer.json()["stored"] == ["a"]


def test_a_bomb_of_zeros_is_refused_without_unpacking_it(client, key):
    bomb = gzip.compress(b"\0" * (200 * MEGABYTE), compresslevel=9)
    assert len(bomb) < MEGABYTE
    tracemalloc.start()
    try:
        headers = {"content-encoding": "gzip"}
        answer = wire.post(client, "records", bomb, key, headers=headers)
        _now, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    refuse_whole(answer, 413, "too_large")
    assert int(answer["Retry-After"]) >= 1
    assert peak_bytes < 20 * MEGABYTE


def test_a_zip_inside_a_zip_is_no_batch(client, key):
    inner = gzip.compress(json.dumps(wire.batch(wire.frame())).encode())
    refuse_whole(wire.post_zipped(client, inner, key))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda zipped: zipped[: len(zipped) // 2],
        lambda zipped: zipped[:-4],
        lambda _zipped: b"no gzip at all",
        lambda zipped: zipped[:20] + b"\xff\xff\xff\xff" + zipped[24:],
        lambda _zipped: b"",
    ],
)
def test_a_broken_gzip_is_refused(client, key, spoil):
    zipped = gzip.compress(json.dumps(wire.batch(wire.frame())).encode())
    headers = {"content-encoding": "gzip"}
    refuse_whole(wire.post(client, "records", spoil(zipped), key, headers=headers))


def test_a_body_above_the_wire_limit_is_refused(client, key):
    body = json.dumps(wire.batch(wire.frame())).encode()
    padded = body + b" " * (codec.WIRE_LIMIT_BYTES + 1 - len(body))
    refuse_whole(wire.post(client, "records", padded, key), 413, "too_large")
    at_the_limit = padded[: codec.WIRE_LIMIT_BYTES]
    assert wire.post(client, "records", at_the_limit, key).status_code == 200


def test_a_lie_about_the_length_does_not_lift_the_limit():
    body = b" " * (codec.WIRE_LIMIT_BYTES + 1)

    class Stream:
        def read(self, size):
            return body[:size]

    with pytest.raises(codec.TooLarge):
        codec.read_body(Stream(), length=10, is_gzip=False)


def test_more_than_5000_records_are_refused_as_a_batch(client, key):
    answer = wire.post(client, "records", write(*["0"] * 5001), key)
    refuse_whole(answer)
    (error,) = answer.json()["data"]["errors"]
    assert error["field"] == "records"
    assert "5000" in error["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b"null",
        b'{"batch": 1}',
        b'{"batch": "x", "layouts": {}, "records": []}',
        b'{"layouts": {}, "records": []}',
        b"[" * 500_000,
        b'{"records": ' + b"[" * 100_000 + b"]" * 100_000,
        b"\xff\xfe",
    ],
)
def test_what_is_no_batch_is_refused_as_a_whole(client, key, body):
    answer = wire.post(client, "records", body, key)
    refuse_whole(answer)
    assert answer.json()["data"]["errors"][0]["field"]


def test_another_content_type_is_refused(client, key):
    answer = client.post(
        "/api/v1/agent/records",
        "x=1",
        content_type="application/x-www-form-urlencoded",
        headers={"authorization": f"Agent {key}"},
    )
    assert answer.status_code == 415
    assert answer.json()["code"] == "unsupported_media_type"


GOOD = json.dumps(wire.frame(id="good"))


def spoil_value(text):
    return json.dumps(wire.frame((77.5, 0.5), id="bad")).replace("77.5", text)


def spoil_fact(text):
    return json.dumps(wire.fact(value="SPOILED", id="bad")).replace("SPOILED", text)


def nest(depth):
    return "[" * depth + "]" * depth


def spoil_result(text):
    record = wire.result(uuid4(), run=uuid4(), document={"deep": "DEEP"})
    record["id"] = "bad"
    return json.dumps(record).replace('"DEEP"', text)


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (spoil_value("NaN"), "not_finite"),
        (spoil_value("Infinity"), "not_finite"),
        (spoil_value("-Infinity"), "not_finite"),
        (spoil_value("1e400"), "out_of_range"),
        (spoil_value("1" * 5000), "out_of_range"),
        (spoil_value('"1"'), "malformed"),
        (spoil_fact("a\\u0000b"), "bad_text"),
        (spoil_fact("a\0b"), "bad_text"),
        (spoil_fact("a\\ud800b"), "bad_text"),
        (spoil_fact("a\udfffb"), "bad_text"),
        (spoil_result(nest(9)), "too_deep"),
        (spoil_result(nest(100_000)), "too_deep"),
        (spoil_result('"' + "x" * 5000 + '"'), "too_long"),
        (spoil_result("NaN"), "not_finite"),
        (spoil_result('"\\u0000"'), "bad_text"),
    ],
)
@pytest.mark.parametrize("is_zipped", [False, True])
def test_what_json_or_a_database_cannot_hold_harms_one_record_only(
    client, key, bad, code, is_zipped
):
    body = write(bad, GOOD)
    post = wire.post_zipped if is_zipped else lambda http, text, by: wire.post(
        http, "records", text, by
    )  # fmt: skip
    answer = post(client, body, key)
    assert answer.status_code == 200, answer.content
    assert answer.json()["stored"] == ["good"]
    assert wire.codes(answer.json()) == {"bad": code}


def test_all_these_faults_in_one_batch_still_harm_nobody_else(client, key):
    bad = [
        spoil_value("NaN"),
        spoil_fact("a\0b"),
        spoil_fact("a\udfffb"),
        spoil_result(nest(100_000)),
    ]
    renamed = [text.replace('"bad"', f'"bad{n}"') for n, text in enumerate(bad)]
    answer = wire.post(client, "records", write(*renamed, GOOD), key)
    assert answer.json()["stored"] == ["good"]
    assert wire.codes(answer.json()) == {
        "bad0": "not_finite",
        "bad1": "bad_text",
        "bad2": "bad_text",
        "bad3": "too_deep",
    }


def test_nesting_up_to_the_limit_is_taken():
    tree = json.loads(nest(checks.DEPTH_LIMIT - 1))
    checks.check_tree(tree, "data")
    with pytest.raises(checks.RecordRefused):
        checks.check_tree([[tree]], "data")


def test_brackets_inside_strings_do_not_count_as_nesting():
    body = json.dumps({"text": '[{"' * 200 + '\\"'}).encode()
    assert codec.cut_deep(body) == body


def test_what_nests_too_deep_is_cut_out_and_the_rest_stays_json():
    body = f'{{"a": {nest(500)}, "b": [1, {nest(40)}, 2]}}'.encode()
    tree = json.loads(codec.cut_deep(body))
    assert tree["b"][0] == 1
    assert tree["b"][2] == 2
