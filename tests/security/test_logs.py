"""What reaches the log: no secret, and one line for each event."""

import io
import json
import logging

import pytest
import structlog

from streamswarm.logs import describe_logging
from tests.factories import wire
from tests.factories.accounts import PASSWORD, bearer, make_token, make_user
from tests.factories.clients import make_enrolment
from tests.security import hostile

KEY = "0a1b2c3d." + "Zz-_" * 10 + "abc"
FORGED = "a\r\nlevel=error event=forged \x1b[2K\u2028\x85\x0b\x00"
TOKEN = "Bearer " + "0123456789abcdef" * 4


@pytest.fixture(params=[False, True], ids=["text", "JSON"])
def handler(request):
    described = describe_logging(level="DEBUG", is_json=request.param)["formatters"]["structured"]
    settings = {name: value for name, value in described.items() if name != "()"}
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(described["()"](**settings))
    return handler


@pytest.fixture
def log(handler):
    """What the server would have written so far."""
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.stream
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize(
    "fields",
    [
        {"key": KEY},
        {"header": f"Agent {KEY}"},
        {"header": TOKEN},
        {"headers": {"Authorization": f"Agent {KEY}"}},
        {"words": ["x", KEY]},
    ],
    ids=["key", "agent header", "bearer header", "nested", "list"],
)
def test_keys_are_hidden_in_the_fields_of_an_event(log, fields):
    structlog.get_logger("test").warning("seen", **fields)
    assert "[hidden]" in log.getvalue()
    assert KEY not in log.getvalue()
    assert TOKEN not in log.getvalue()


def test_keys_are_hidden_in_messages_and_tracebacks_of_libraries(log):
    logger = logging.getLogger("library")
    logger.warning("request with %s", KEY)
    try:
        int(f"Agent {KEY}")
    except ValueError:
        logger.exception("failed")
    assert log.getvalue().count("[hidden]") >= 2
    assert KEY not in log.getvalue()


@pytest.mark.parametrize("text", [FORGED, *hostile.TEXTS], ids=lambda text: ascii(text)[:30])
def test_hostile_text_makes_one_line_that_a_terminal_shows_as_it_is(handler, text):
    # A logger of its own: pytest's capture cannot carry half a surrogate pair to its report.
    logger = logging.Logger("library")  # noqa: LOG001 - that is the point
    logger.addHandler(handler)
    structlog.wrap_logger(logger).warning("enrolled", name=text)
    logger.warning("enrolled %s", text)
    written = handler.stream.getvalue()
    assert len(written.splitlines()) == 2
    assert "\u202e" not in written
    assert "\x1b" not in written
    assert "\r" not in written


@pytest.mark.django_db
def test_enrolling_uploading_and_signing_in_write_no_secret(client, log):
    enrolment, token = make_enrolment(), make_token(make_user("operator", "operator"))
    inventory = {"hostname": FORGED.replace("\x00", "")}
    body = {"token": enrolment, "name": "probe", "agent_version": "1", "inventory": inventory}
    key = wire.post(client, "enrol", body, "").json()["key"]
    wire.post(client, "records", wire.batch(wire.fact("x" * 300)), key)
    wire.post(client, "records", b"no json", f"{key}x")
    client.get("/api/v1/clients/", **bearer(token))
    client.post("/accounts/login/", {"login": "operator", "password": PASSWORD})
    client.post("/accounts/login/", {"login": "operator", "password": f"{PASSWORD}!"})
    written = log.getvalue()
    assert "records_rejected" in written
    assert not [secret for secret in (enrolment, token, key, PASSWORD) if secret in written]
    assert len(written.splitlines()) == written.count("\n")


def test_events_as_json_are_one_object_a_line(log, request):
    structlog.get_logger("test").warning("enrolled", name=FORGED)
    (line,) = log.getvalue().splitlines()
    if "JSON" in request.node.name:
        assert json.loads(line)["name"] == FORGED
    else:
        assert "name=" in line
