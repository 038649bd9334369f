"""The agents' door under hostile input: an answer to everything, and no harm to neighbours."""

import gzip
import json
import re
import tracemalloc
import zlib
from copy import deepcopy
from uuid import UUID, uuid4

import pytest
from django.conf import settings as django_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.clock import format_moment, read_now
from apps.metrics.services import know_source
from apps.tests.models import Assignment
from tests.factories import wire
from tests.factories.clients import agent, make_enrolment
from tests.factories.tests import make_test
from tests.security import hostile

pytestmark = pytest.mark.django_db

PATHS = ("enrol", "heartbeat", "leases", "records")
EXAMPLE_FOLDER = django_settings.WIRE_DIR / "examples" / "valid"
EXAMPLE_ASSIGNMENT = UUID("0b6f1c1e-9a52-4c55-8f0d-6f1f6d1c2a01")
MOMENT_PATTERN = re.compile(r"2026-01-31T[\d:.]+Z")
MEGABYTE = 1_000_000

per_database = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=hostile.scale_examples(0.4),
)


def read_example(name):
    """A valid example as if it had been made now."""
    text = (EXAMPLE_FOLDER / f"{name}.json").read_text()
    return json.loads(MOMENT_PATTERN.sub(format_moment(read_now()), text))


BATCH = read_example("records_request")
RECORDS = [read_example(path.stem) for path in sorted(EXAMPLE_FOLDER.glob("record_*.json"))]
REQUESTS = {path: read_example(f"{path}_request") for path in PATHS}


@pytest.fixture
def assignment(probe):
    """The assignment that the examples speak of."""
    return Assignment.objects.create(
        id=EXAMPLE_ASSIGNMENT,
        test=make_test(),
        client=probe,
        created_at=read_now(),
        source_id=know_source(probe.id, "assignment", str(EXAMPLE_ASSIGNMENT)),
    )


@pytest.fixture
def send(client, key):
    def post(path, body, **headers):
        return client.post(
            f"/api/v1/agent/{path}",
            body,
            content_type="application/json",
            headers={**agent(key)["headers"], **headers},
        )

    return post


def check_answer(answer):
    """Nothing is the server's fault, and a refusal is one of ours."""
    assert answer.status_code < 500, answer.content
    if answer.status_code >= 400:
        assert set(answer.json()) >= {"code", "detail", "data"}
    if answer.status_code == 400:
        check_fields(answer.json())


def check_fields(refusal):
    assert refusal["data"]["errors"]
    assert all(error["field"] and error["code"] for error in refusal["data"]["errors"])


def is_echoed(record):
    """Whether the record has an id that the wire allows."""
    given_id = record.get("id") if isinstance(record, dict) else None
    if not isinstance(given_id, str) or given_id.startswith("@"):
        return False
    return 1 <= len(given_id) <= 64 and not any("\ud800" <= c <= "\udfff" for c in given_id)


@pytest.mark.parametrize("path", PATHS)
@per_database
@given(body=st.binary(max_size=200), encoding=st.sampled_from(["", "gzip", "br", "GZIP, gzip"]))
def test_any_bytes_are_answered(send, path, body, encoding):
    check_answer(send(path, body, **{"content-encoding": encoding}))


@pytest.mark.parametrize("path", PATHS)
@per_database
@given(data=st.data())
def test_any_tree_is_answered(send, path, data):
    check_answer(send(path, hostile.write_json(data.draw(hostile.trees))))


@pytest.mark.parametrize("path", PATHS)
@per_database
@given(data=st.data())
def test_a_mutated_request_is_answered(send, assignment, path, data):
    tree = data.draw(hostile.mutations([REQUESTS[path]]))
    if path == "enrol" and isinstance(tree, dict):
        tree["token"] = make_enrolment()
    check_answer(send(path, hostile.write_json(tree)))


@per_database
@given(
    broken=st.lists(
        hostile.mutations(RECORDS, keeps_root=True) | hostile.mutations(RECORDS) | hostile.values,
        max_size=6,
    ),
    is_gzip=st.booleans(),
)
def test_each_record_is_answered_and_good_neighbours_are_stored(send, assignment, broken, is_gzip):
    good = [wire.frame(id=f"good-{uuid4()}"), wire.fact(value=str(uuid4()), id=f"good-{uuid4()}")]
    records = [good[0], *broken, good[1]]
    layouts = {**BATCH["layouts"], **wire.layout()}
    body = hostile.write_json({"batch": str(uuid4()), "layouts": layouts, "records": records})
    zipped = {"content-encoding": "gzip"} if is_gzip else {}
    answer = send("records", gzip.compress(body) if is_gzip else body, **zipped)
    assert answer.status_code == 200, answer.content
    found = answer.json()
    answered = [*found["stored"], *found["duplicate"], *(item["id"] for item in found["rejected"])]
    assert len(answered) == len(records)
    assert {record["id"] for record in good} <= set(found["stored"])
    assert {record["id"] for record in records if is_echoed(record)} <= set(answered)
    assert all(item["code"] and item["field"] for item in found["rejected"])


@per_database
@given(name=hostile.texts)
def test_a_record_is_answered_under_the_very_id_it_came_with(send, name):
    record = {**wire.fact(key="x" * 300), "id": name}
    found = json.loads(send("records", hostile.write_json(wire.batch(record))).content)
    if is_echoed(record):
        assert [item["id"] for item in found["rejected"]] == [name]
    else:
        assert len(found["rejected"]) == 1


def pack(body):
    return gzip.compress(body)


PLAIN = json.dumps(wire.batch(wire.frame(id="a"))).encode()
GZIP_VARIANTS = {
    "nested": (pack(pack(PLAIN)), "malformed_batch"),
    "truncated": (pack(PLAIN)[:-9], "malformed_batch"),
    "without its checksum": (pack(PLAIN)[:-8], "malformed_batch"),
    "with a wrong checksum": (pack(PLAIN)[:-8] + b"\0" * 8, "malformed_batch"),
    "followed by garbage": (pack(PLAIN) + b"garbage", "malformed_batch"),
    "followed by another member": (pack(PLAIN) + pack(PLAIN), "malformed_batch"),
    "cut into members": (pack(PLAIN[:50]) + pack(PLAIN[50:]), "malformed_batch"),
    "many empty members": (pack(b"") * 40_000, "malformed_batch"),
    "empty": (b"", "malformed_batch"),
    "of nothing": (pack(b""), "malformed_batch"),
    "zlib instead": (zlib.compress(PLAIN), "malformed_batch"),
    "not gzip at all": (PLAIN, "malformed_batch"),
    "8 MB of spaces": (pack(b" " * 8 * MEGABYTE), "malformed_batch"),
    "a byte more than 8 MB": (pack(b" " * (8 * MEGABYTE + 1)), "too_large"),
}


@pytest.mark.parametrize(("body", "code"), GZIP_VARIANTS.values(), ids=GZIP_VARIANTS)
def test_gzip_that_is_not_one_whole_member_is_refused(send, body, code):
    answer = send("records", body, **{"content-encoding": "gzip"})
    assert answer.json()["code"] == code
    assert answer.status_code == {"malformed_batch": 400, "too_large": 413}[code]


def make_bomb(plain_bytes):
    """Zeros, squeezed a thousandfold, without ever holding them."""
    squeezer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    piece = bytes(MEGABYTE)
    parts = [squeezer.compress(piece) for _ in range(plain_bytes // MEGABYTE)]
    return b"".join([*parts, squeezer.flush()])


@pytest.mark.parametrize("path", PATHS)
def test_a_gzip_bomb_is_refused_in_bounded_memory(send, path):
    bomb = make_bomb(200 * MEGABYTE)
    assert len(bomb) < MEGABYTE / 4
    tracemalloc.start()
    try:
        answer = send(path, bomb, **{"content-encoding": "gzip"})
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status_code == 413
    assert int(answer.headers["Retry-After"]) > 0
    assert peak_bytes < 40 * MEGABYTE


@pytest.mark.parametrize("path", PATHS)
def test_ten_megabytes_are_refused_by_their_length(send, path):
    answer = send(path, b'{"name": "' + b"x" * 10 * MEGABYTE + b'"}')
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("length", ["-1", "1e9", "9" * 5_000, "\u00b2", "", "0"])
def test_a_content_length_that_lies_is_answered(client, key, length):
    answer = client.post(
        "/api/v1/agent/records",
        PLAIN,
        content_type="application/json",
        CONTENT_LENGTH=length,
        **agent(key),
    )
    check_answer(answer)


@pytest.mark.parametrize(
    "text",
    ["x" * 900_000, "\u202e" * 7 * MEGABYTE, "\\" * 3 * MEGABYTE, "[{" * 3 * MEGABYTE],
    ids=["900 kB", "bidi", "backslashes", "brackets"],
)
def test_a_long_text_is_refused_beside_a_stored_neighbour(send, text):
    records = [wire.fact(value=text, id="long"), wire.fact(key=text, id="key"), wire.frame(id="g")]
    for body in (wire.batch(records[0], records[2]), wire.batch(records[1], records[2])):
        plain = json.dumps(body, ensure_ascii=False).encode()
        answer = send(
            "records", gzip.compress(plain[: 9 * MEGABYTE]), **{"content-encoding": "gzip"}
        )
        check_answer(answer)
        if answer.status_code == 200:
            (refusal,) = answer.json()["rejected"]
            assert refusal["code"] == "too_long"


@pytest.mark.parametrize(
    "authorization",
    ["", "Agent", "Agent ", "Agent \x00", "Agent é", "Basic YTpi", "Agent " + "x" * 100_000,
     "Agent a.b", "agent x", "Bearer x", "Agent \x80\xff"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["heartbeat", "leases", "records"])
def test_a_key_of_any_form_is_refused(client, path, authorization):
    answer = client.post(
        f"/api/v1/agent/{path}",
        b"{}",
        content_type="application/json",
        HTTP_AUTHORIZATION=authorization,
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "key_unknown")


@pytest.mark.parametrize("kind", ["frame", "fact", "result", "inventory"])
@pytest.mark.parametrize("marker", hostile.RAW_JSON)
def test_a_field_that_nobody_knows_harms_no_neighbour(send, kind, marker):
    known = next(deepcopy(record) for record in RECORDS if record["kind"] == kind)
    known["data"]["unheard_of"] = f"@{marker}@"
    good = wire.frame(id="good")
    answer = send("records", hostile.write_json(wire.batch(known, good)))
    assert answer.status_code == 200, answer.content
    assert "good" in answer.json()["stored"]
