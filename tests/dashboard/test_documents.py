"""The client's tabs of processes and connections."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.clock import read_now
from apps.dashboard.selectors.documents import (
    CONNECTION_COLUMNS,
    PROCESS_COLUMNS,
    list_connection_rows,
    list_counts,
    list_missing,
    list_process_rows,
    order_table,
    write_endpoint,
)
from apps.metrics.models import Document
from apps.metrics.services import NewDocument, know_source, record_document
from tests.contract.wire_contract import read_example
from tests.dashboard.test_queries import count_queries
from tests.factories.clients import make_client

PROCESSES = read_example("record_processes")["data"]["document"]
CONNECTIONS = read_example("record_connections")["data"]["document"]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda items: st.lists(items) | st.dictionaries(st.text(), items),
    max_leaves=12,
)
names = st.sampled_from([*PROCESSES["rows"][0], *CONNECTIONS["rows"][0], "missing", "states"])


@pytest.fixture
def probe(db):
    return make_client()


def store(client, kind, body, at=None):
    moment = at or read_now()
    document = NewDocument(know_source(client.id, kind, ""), kind, moment, body)
    record_document(client_id=client.id, document=document, received_at=moment)


def read(page, client, tab, **query):
    answer = page.get(f"/clients/{client.id}/{tab}/", query)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("tab", ["processes", "connections"])
def test_without_a_document_the_page_says_what_to_do(page, probe, tab):
    text = read(page, probe, tab)
    assert "has not sent this yet" in text
    assert f"/clients/{probe.id}/host/" in text
    assert 'id="filter-q"' not in text


def test_processes_are_shown_busiest_first_with_units(page, probe):
    store(probe, "processes", PROCESSES)
    text = read(page, probe, "processes")
    assert text.index("<strong>postgres") < text.index("<strong>new")
    assert "31.0\u00a0%" in text
    assert "176\u00a0MiB" in text
    assert "812" in text
    assert "Arguments are not collected" in text


def test_arguments_that_are_collected_are_shown(page, probe):
    row = {**PROCESSES["rows"][0], "command": "postgres -D /data --password=[hidden]"}
    store(probe, "processes", {**PROCESSES, "shows_arguments": True, "rows": [row]})
    text = read(page, probe, "processes")
    assert "postgres -D /data --password=[hidden]" in text
    assert "Arguments are not collected" not in text


def test_connections_say_who_and_what_is_missing(page, probe):
    store(probe, "connections", {**CONNECTIONS, "left_out": 17})
    text = read(page, probe, "connections")
    assert "0.0.0.0:443" in text
    assert "[2001:db8::5]:5432" in text
    assert "nginx" in text
    assert "processes of other users&#x27; sockets" in text
    assert "permission missing" in text
    assert "run the agent as root" in text
    assert "17 further rows" in text


def test_only_the_newest_document_is_shown(page, probe):
    now = read_now()
    row = {**PROCESSES["rows"][0], "name": "former"}
    store(probe, "processes", PROCESSES, now)
    store(probe, "processes", {**PROCESSES, "rows": [row]}, now - timedelta(minutes=1))
    assert "former" not in read(page, probe, "processes")


@pytest.mark.parametrize(
    ("search", "shown"), [("POST", True), ("812", True), ("post ann", False), ("xyz", False)]
)
def test_a_search_keeps_the_rows_that_hold_every_word(page, probe, search, shown):
    store(probe, "processes", PROCESSES)
    text = read(page, probe, "processes", q=search)
    assert ("<strong>postgres</strong>" in text) is shown
    assert "<strong>new</strong>" not in text
    assert ("Nothing fits this search" in text) is not shown


def test_connections_are_found_by_port_and_state(page, probe):
    store(probe, "connections", CONNECTIONS)
    assert (
        "outgoing" not in read(page, probe, "connections", q=":443 established").split("tbody")[1]
    )
    assert "192.0.2.77" in read(page, probe, "connections", q=":443 established")


def test_a_new_document_wakes_the_clients_page(
    probe, silent_push, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        store(probe, "processes", PROCESSES)
    assert (f"live.client.{probe.id}", f"client:{probe.id}") in [
        (group, message.get("hint")) for group, message in silent_push
    ]


@pytest.mark.parametrize("tab", ["processes", "connections"])
def test_large_documents_cost_no_further_queries(page, probe, tab):
    body = {"processes": PROCESSES, "connections": CONNECTIONS}[tab]
    store(probe, tab, body)
    few = count_queries(page, f"/clients/{probe.id}/{tab}/")
    later = read_now() + timedelta(seconds=1)
    store(probe, tab, {**body, "rows": body["rows"] * 200}, later)
    assert count_queries(page, f"/clients/{probe.id}/{tab}/") == few


def test_rows_are_ordered_either_way_with_unknown_ones_last():
    rows = list_process_rows(Document(body=PROCESSES))
    for order in ("cpu", "-cpu"):
        ordered, said = order_table(rows, order, PROCESS_COLUMNS, default="-cpu")
        assert ([row.name for row in ordered], said) == (["postgres", "new"], order)
    ordered, _said = order_table(rows, "name", PROCESS_COLUMNS, default="-cpu")
    assert [row.name for row in ordered] == ["new", "postgres"]
    assert order_table(rows, "-nonsense", PROCESS_COLUMNS, default="-cpu")[1] == "-cpu"


def test_values_are_read_as_what_they_are():
    first, second = list_process_rows(Document(body=PROCESSES))
    assert first.started_at == datetime(2026, 1, 30, 8, 15, tzinfo=UTC)
    assert (second.started_at, second.cpu_ratio) == (None, None)
    listening = list_connection_rows(Document(body=CONNECTIONS))[0]
    assert (listening.local, listening.remote, listening.states) == (
        "0.0.0.0:443", "", (("listen", 1),)
    )  # fmt: skip
    assert write_endpoint("2001:db8::1", None) == "2001:db8::1"
    assert list_counts({"a": 1, "b": 3, "c": "x"}) == (("b", 3), ("a", 1))


@given(
    st.dictionaries(
        st.sampled_from(["rows", "missing"]), st.lists(st.dictionaries(names, anything))
    )
)
def test_whatever_a_document_holds_a_table_comes_out(body):
    document = Document(body=body)
    row_count = len(body.get("rows", []))
    for column in PROCESS_COLUMNS:
        rows = list_process_rows(document)
        assert len(order_table(rows, column, PROCESS_COLUMNS, default="pid")[0]) == row_count
    for column in CONNECTION_COLUMNS:
        rows = list_connection_rows(document)
        assert len(order_table(rows, column, CONNECTION_COLUMNS, default="count")[0]) == row_count
    assert len(list_missing(document)) == len(body.get("missing", []))
