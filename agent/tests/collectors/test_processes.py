import json
from types import SimpleNamespace

import psutil
import pytest

from agent.tests.answering_server import list_violations
from agent.tests.collectors.trees import write_process, write_tree
from streamswarm_agent.collectors import build_collectors
from streamswarm_agent.collectors.documents import MAX_DOCUMENT_BYTES, fit_rows, measure
from streamswarm_agent.collectors.process_table import ProcTable, PsutilTable
from streamswarm_agent.collectors.processes import TOP, ProcessesCollector

TICKS, PAGE_BYTES = 100, 4096
BOOT_SECONDS = 1_769_000_000


@pytest.fixture
def proc(tmp_path):
    write_tree(tmp_path, {"stat": f"cpu  1 2 3\nbtime {BOOT_SECONDS}\n", "uptime": "1 1\n"})
    write_process(tmp_path, 1, "init", arguments=("/sbin/init",))
    return tmp_path


@pytest.fixture
def table(proc):
    return ProcTable(
        proc, ticks_per_second=TICKS, page_bytes=PAGE_BYTES, name_user=lambda _uid: "ann"
    )


@pytest.fixture
def collector(table, dial):
    return ProcessesCollector(table, monotonic=dial)


def read(collector):
    (document,) = collector.collect().documents
    assert document.kind == "processes"
    record = {
        "id": "1",
        "kind": "processes",
        "at": "2026-01-31T12:00:00.000000Z",
        "data": {"source": {"kind": "processes", "subject": ""}, "document": document.body},
    }
    assert list_violations("record_processes", json.loads(json.dumps(record))) == []
    return document.body


def rows_by_name(body):
    return {row["name"]: row for row in body["rows"]}


def test_a_process_is_described_in_base_units(collector, proc):
    write_process(
        proc, 42, "postgres", pages=1000, threads=3, started_ticks=1200, arguments=("/usr/bin/pg",)
    )
    row = rows_by_name(read(collector))["postgres"]
    assert row == {
        "pid": 42,
        "name": "postgres",
        "user": "ann",
        "state": "sleeping",
        "cpu_ratio": None,
        "rss_bytes": 1000 * PAGE_BYTES,
        "threads": 3,
        "started_at": "2026-01-21T12:53:32Z",
        "command": "pg",
    }


def test_a_share_is_of_one_core_since_the_pass_before(collector, proc, dial):
    write_process(proc, 42, "busy", user_ticks=1000, system_ticks=500)
    first = read(collector)
    assert first["interval_seconds"] is None
    assert [entry["code"] for entry in first["missing"]] == ["I"]
    dial.seconds += 60
    write_process(proc, 42, "busy", user_ticks=10_000, system_ticks=3500)
    second = read(collector)
    assert second["interval_seconds"] == 60
    assert second["missing"] == []
    assert rows_by_name(second)["busy"]["cpu_ratio"] == 2.0
    assert rows_by_name(second)["init"]["cpu_ratio"] == 0.0


def test_a_number_that_was_given_anew_is_another_process(collector, proc, dial):
    write_process(proc, 42, "old", user_ticks=90_000, started_ticks=100)
    read(collector)
    dial.seconds += 60
    write_process(proc, 42, "young", user_ticks=95_000, started_ticks=5000)
    assert rows_by_name(read(collector))["young"]["cpu_ratio"] is None


def test_a_counter_that_went_back_gives_no_negative_share(collector, proc, dial):
    write_process(proc, 42, "odd", user_ticks=900)
    read(collector)
    dial.seconds += 60
    write_process(proc, 42, "odd", user_ticks=100)
    assert rows_by_name(read(collector))["odd"]["cpu_ratio"] == 0


def test_the_busiest_and_the_largest_are_shown_busiest_first(collector, proc, dial):
    for number in range(100, 160):
        write_process(proc, number, f"p{number}", pages=number)
    first = read(collector)
    assert len(first["rows"]) == TOP
    assert first["total"] == 61
    dial.seconds += 10
    for number in range(100, 130):
        write_process(proc, number, f"p{number}", pages=number, user_ticks=number)
    body = read(collector)
    names = [row["name"] for row in body["rows"]]
    assert names[0] == "p129"
    assert set(names) == {f"p{number}" for number in (*range(110, 130), *range(140, 160))}
    assert body["total"] == 61
    assert body["left_out"] == 0


def test_states_and_threads_of_all_are_counted(collector, proc):
    write_process(proc, 2, "a", state="R", threads=4)
    write_process(proc, 3, "b", state="Z")
    write_process(proc, 4, "c", state="?")
    body = read(collector)
    assert body["states"] == {"sleeping": 1, "running": 1, "zombie": 1, "unknown": 1}
    assert body["thread_total"] == 7


@pytest.mark.parametrize("name", ["a) R (b", "(x)", "with blank", "tab\tand\x1b[31m", "ä" * 15])
def test_a_name_that_tries_to_be_something_else_is_only_a_name(collector, proc, name):
    write_process(proc, 9, name, threads=5)
    row = next(row for row in read(collector)["rows"] if row["pid"] == 9)
    assert row["threads"] == 5
    assert row["state"] == "sleeping"
    assert row["name"].isprintable()


@pytest.mark.parametrize("stat", ["", "9", "9 (x", "9 (x) S 1 2", "9 (x) S " + "y " * 40])
def test_a_process_that_ends_or_cannot_be_read_is_skipped(collector, proc, stat):
    write_tree(proc, {"9/stat": stat})
    (proc / "10").mkdir()
    assert read(collector)["total"] == 1


def test_arguments_stay_on_the_host_unless_its_owner_allows(table, proc):
    arguments = ("/usr/bin/mysqld", "--port=3306", "--password=hunter2")
    write_process(proc, 9, "mysqld", arguments=arguments)
    silent = read(ProcessesCollector(table))
    assert rows_by_name(silent)["mysqld"]["command"] == "mysqld"
    assert not silent["shows_arguments"]
    open_minded = read(ProcessesCollector(table, shows_arguments=True))
    command = rows_by_name(open_minded)["mysqld"]["command"]
    assert command == "/usr/bin/mysqld --port=3306 --password=[hidden]"
    assert open_minded["shows_arguments"]


def test_a_kernel_thread_has_its_name_for_a_command(collector, proc):
    write_process(proc, 9, "kworker/0:1", arguments=())
    assert rows_by_name(read(collector))["kworker/0:1"]["command"] == "kworker/0:1"


def test_hidden_processes_are_said_to_be_missing(tmp_path):
    write_process(tmp_path, 77, "own")
    body = read(ProcessesCollector(ProcTable(tmp_path)))
    (hidden,) = [entry for entry in body["missing"] if entry["code"] == "P"]
    assert "other users" in hidden["what"]
    assert "root" in hidden["remedy"]
    assert rows_by_name(body)["own"]["started_at"] is None


@pytest.mark.parametrize(
    ("value", "shows"), [("yes", True), ("1", True), ("TRUE", True), ("no", False), ("", False)]
)
def test_the_owner_allows_arguments_by_the_environment(value, shows):
    collectors = build_collectors({"SWARM_AGENT_PROCESS_ARGUMENTS": value})
    (document,) = collectors["processes"].collect().documents
    assert document.body["shows_arguments"] is shows


def test_rows_that_do_not_fit_are_counted():
    rows = [{"name": "x" * 1000, "number": number} for number in range(100)]
    body = fit_rows({"total": 100}, rows, max_rows=500)
    assert measure(body) <= MAX_DOCUMENT_BYTES
    assert [row["number"] for row in body["rows"]] == list(range(len(body["rows"])))
    assert body["left_out"] == 100 - len(body["rows"]) > 0
    assert fit_rows({}, rows, max_rows=3)["left_out"] == 97


def test_other_systems_are_read_through_psutil():
    def deny():
        raise psutil.AccessDenied(5)

    given = {
        "pid": 5,
        "name": "launchd",
        "status": "running",
        "cpu_times": SimpleNamespace(user=2.0, system=1.0),
        "memory_info": SimpleNamespace(rss=4096),
        "num_threads": 2,
        "create_time": BOOT_SECONDS,
    }
    denied = dict.fromkeys(given) | {"pid": 6, "name": "hidden"}
    processes = [
        SimpleNamespace(info=given, username=lambda: "root", cmdline=lambda: ["/sbin/launchd"]),
        SimpleNamespace(info=denied, username=deny, cmdline=deny),
    ]
    rows = rows_by_name(read(ProcessesCollector(PsutilTable(lambda _names: iter(processes)))))
    assert (rows["launchd"]["user"], rows["launchd"]["command"]) == ("root", "launchd")
    assert (rows["hidden"]["user"], rows["hidden"]["started_at"]) == ("", None)


def test_the_real_host_is_read():
    body = read(ProcessesCollector())
    assert body["total"] >= len(body["rows"]) >= 1
    assert psutil.Process().pid in {process.pid for process in ProcTable().list_processes()}
