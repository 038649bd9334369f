import json
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from streamswarm_agent.errors import StateUnusable
from streamswarm_agent.spool.spool import Spool, SpoolLimits
from streamswarm_agent.wire.layouts import build_layout
from streamswarm_agent.wire.messages import RecordsAnswer, Rejection
from streamswarm_agent.wire.records import Record
from streamswarm_agent.wire.results import StartedRun

AT = "2026-01-31T12:00:00.000000Z"
LAYOUT = build_layout(["a.metric"])
STARTED = StartedRun("run-1", "assignment-1", 4, 2, AT)
ALL = {"records": 500, "size_bytes": 1_000_000}


def make_frame(number=0, size=20):
    return Record("frame", AT, f'{{"number":{number},"pad":"{"x" * size}"}}', LAYOUT)


def make_result(run="run-1"):
    return Record("result", AT, f'{{"run":"{run}"}}')


def take(*ids):
    return RecordsAnswer(tuple(str(record_id) for record_id in ids), (), ())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "spool.sqlite3"


@pytest.fixture
def spool(path):
    opened = Spool(path)
    yield opened
    opened.close()


def reopen(spool, path, **limits):
    spool.close()
    return Spool(path, SpoolLimits(**limits))


def test_records_wait_until_they_are_settled(spool):
    spool.add([make_frame(1), make_result()])
    first, second = spool.list_live(**ALL)
    assert (first.kind, second.kind) == ("frame", "result")
    assert spool.settle(take(first.id)) == 1
    assert [record.id for record in spool.list_live(**ALL)] == [second.id]
    assert spool.depth == 1


def test_an_answer_with_unknown_ids_settles_nothing(spool):
    spool.add([make_frame()])
    assert spool.settle(RecordsAnswer(("999", "x"), ("-1",), ())) == 0
    assert spool.depth == 1


def test_a_rejected_record_is_moved_aside_with_its_reason(spool):
    spool.add([make_frame()])
    (record,) = spool.list_live(**ALL)
    rejection = Rejection(str(record.id), "too_old", "at", "over 7 days")
    assert spool.settle(RecordsAnswer((), (), (rejection,))) == 1
    assert spool.depth == 0
    assert spool.list_quarantine() == [("frame", "too_old: at: over 7 days")]


def test_what_a_former_process_left_is_backlog_and_goes_newest_first(spool, path):
    spool.add([make_frame(number) for number in range(3)])
    again = reopen(spool, path)
    again.add([make_frame(9)])
    assert [record.id for record in again.list_live(**ALL)] == [4]
    assert [record.id for record in again.list_backlog(**ALL)] == [3, 2, 1]
    again.close()


def test_what_a_failed_upload_left_is_backlog(spool):
    spool.add([make_frame(1)])
    spool.demote_live()
    spool.add([make_frame(2)])
    assert [record.id for record in spool.list_live(**ALL)] == [2]
    assert [record.id for record in spool.list_backlog(**ALL)] == [1]


def test_a_batch_keeps_its_limits_but_holds_at_least_one_record(spool):
    spool.add([make_frame(number, size=300) for number in range(5)])
    assert len(spool.list_live(records=2, size_bytes=1_000_000)) == 2
    assert len(spool.list_live(records=500, size_bytes=1000)) == 2
    assert len(spool.list_live(records=500, size_bytes=1)) == 1


def test_a_full_spool_drops_its_oldest_frames_keeps_results_and_counts(path):
    spool = Spool(path, SpoolLimits(records=10))
    spool.add([make_result("first")])
    spool.add([make_frame(number) for number in range(20)])
    kept = spool.list_live(**ALL)
    assert spool.depth == 10
    assert spool.dropped == 11
    assert kept[0].kind == "result"
    assert '"number":19' in kept[-1].payload
    again = reopen(spool, path, records=10)
    assert (again.depth, again.dropped) == (10, 11)
    again.close()


def test_a_spool_full_of_results_drops_the_oldest_of_them(path):
    spool = Spool(path, SpoolLimits(records=3))
    spool.add([make_result(str(number)) for number in range(5)])
    assert [record.payload for record in spool.list_live(**ALL)] == [
        f'{{"run":"{number}"}}' for number in (2, 3, 4)
    ]
    assert spool.dropped == 2
    spool.close()


def test_the_byte_limit_bounds_the_file_as_well(path):
    spool = Spool(path, SpoolLimits(bytes=200_000))
    for _ in range(30):
        spool.add([make_frame(size=1000) for _ in range(50)])
    size_bytes = sum(found.stat().st_size for found in path.parent.iterdir())
    assert spool.dropped > 1000
    spool.close()
    assert path.stat().st_size < 500_000
    assert size_bytes < 6_000_000


def test_layouts_outlive_a_restart_as_long_as_a_frame_needs_them(spool, path):
    spool.add([make_frame()])
    again = reopen(spool, path)
    assert again.read_layouts([LAYOUT.hash]) == {LAYOUT.hash: ["a.metric"]}
    (record,) = again.list_backlog(**ALL)
    again.settle(take(record.id))
    last = reopen(again, path)
    assert last.read_layouts([LAYOUT.hash]) == {}
    last.close()


def test_a_run_that_never_finished_is_known_after_a_restart_until_its_result_is_kept(spool, path):
    spool.begin_run(STARTED, latest_start_ms=10_000_000)
    again = reopen(spool, path)
    assert again.list_interrupted_runs() == [STARTED]
    again.finish_run(STARTED.run, make_result())
    assert again.list_interrupted_runs() == []
    assert again.has_waiting_results()
    assert again.list_started_runs() == {STARTED.run: 10_000_000}
    again.close()


HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("newest_ms", "is_known"), [(HOUR_MS + 1000, True), (HOUR_MS + 1001, False)]
)
def test_a_finished_run_is_forgotten_when_a_newer_one_could_start_an_hour_later(
    spool, newest_ms, is_known
):
    spool.begin_run(STARTED, latest_start_ms=1000)
    spool.finish_run(STARTED.run, make_result())
    spool.begin_run(replace(STARTED, run="run-2"), latest_start_ms=newest_ms)
    known = {STARTED.run: 1000} if is_known else {}
    assert spool.list_started_runs() == known | {"run-2": newest_ms}
    assert spool.list_started_runs() == known | {"run-2": newest_ms}


def test_a_finished_run_is_known_however_long_the_host_was_off(spool, path):
    spool.begin_run(STARTED, latest_start_ms=1000)
    spool.finish_run(STARTED.run, make_result())
    again = reopen(spool, path)
    assert again.list_started_runs() == {STARTED.run: 1000}
    again.close()


def test_a_run_without_a_result_is_never_forgotten(spool):
    spool.begin_run(STARTED, latest_start_ms=1000)
    spool.begin_run(replace(STARTED, run="run-2"), latest_start_ms=100 * HOUR_MS)
    assert set(spool.list_started_runs()) == {STARTED.run, "run-2"}


def test_the_last_value_of_a_fact_is_known_across_restarts_and_on_a_full_disk(spool, path):
    name = ("interface", "eth0", "duplex")
    spool.add([Record("fact", AT, "{}")], {name: "full"})
    again = reopen(spool, path)
    assert again.read_fact(name) == "full"
    refuse_writes(again, pages=1)
    again.add([make_frame(size=100_000)], {name: "half"})
    assert again.read_fact(name) == "half"
    assert again.read_fact(("interface", "eth1", "duplex")) is None
    again.close()


def test_ids_are_never_used_again(spool, path):
    spool.add([make_frame()])
    spool.settle(take(1))
    again = reopen(spool, path)
    again.add([make_frame()])
    assert [record.id for record in again.list_live(**ALL)] == [2]
    again.close()


def fill(path, records=400):
    spool = Spool(path)
    spool.add([make_frame(number, size=200) for number in range(records)])
    spool.close()


def count_pages(path):
    with closing(sqlite3.connect(path)) as connection:
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    return path.stat().st_size // page_bytes, page_bytes


def test_a_spool_truncated_at_any_page_is_set_aside_and_what_can_be_read_goes_on(tmp_path, caplog):
    whole = tmp_path / "whole.sqlite3"
    fill(whole)
    pages, page_bytes = count_pages(whole)
    saved_counts = []
    for kept_pages in range(1, pages):
        path = tmp_path / f"cut-{kept_pages}" / "spool.sqlite3"
        path.parent.mkdir()
        path.write_bytes(whole.read_bytes()[: kept_pages * page_bytes])
        spool = Spool(path)
        saved_counts.append(spool.depth)
        numbers = [json.loads(record.payload)["number"] for record in spool.list_all()]
        assert len(set(numbers)) == len(numbers)
        spool.add([make_frame(999)])
        assert spool.depth == saved_counts[-1] + 1
        assert len(list(path.parent.glob("spool.corrupt-*"))) == 1
        spool.close()
    assert "spool_corrupt" in caplog.text
    assert "spool_salvaged" in caplog.text
    assert saved_counts[0] == 0
    assert saved_counts[-1] > 300


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 100])
def test_a_file_that_is_no_database_never_stops_the_agent(path, content):
    path.write_bytes(content)
    spool = Spool(path)
    spool.add([make_frame()])
    assert spool.depth == 1
    spool.close()


@pytest.mark.parametrize("place", range(0, 100, 7))
def test_a_damaged_page_never_stops_the_agent(path, place):
    fill(path)
    raw = bytearray(path.read_bytes())
    offset = len(raw) * place // 100
    raw[offset : offset + 64] = bytes(byte ^ 0x55 for byte in raw[offset : offset + 64])
    path.write_bytes(raw)
    spool = Spool(path)
    spool.add([make_frame()])
    assert len(spool.list_backlog(**ALL)) + len(spool.list_live(**ALL)) == min(spool.depth, 500)
    spool.close()


def test_a_layout_that_the_disk_spoiled_stops_no_upload_and_is_whole_with_the_next_frame(path):
    fill(path, records=1)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE layouts SET keys = '[\"a.met'")
        connection.commit()
    spool = Spool(path)
    assert spool.read_layouts([LAYOUT.hash]) == {}
    spool.add([make_frame(2)])
    assert spool.read_layouts([LAYOUT.hash]) == {LAYOUT.hash: list(LAYOUT.keys)}
    spool.close()


def test_a_journal_that_the_disk_spoiled_stops_no_start(path):
    spool = Spool(path)
    spool.begin_run(STARTED, latest_start_ms=1)
    spool._connection.execute("UPDATE runs SET journal = '{\"run'")
    assert spool.list_interrupted_runs() == []
    assert "run-1" in spool.list_started_runs()
    spool.close()


def test_a_directory_that_is_not_there_is_an_error_and_no_damage(tmp_path):
    with pytest.raises(StateUnusable, match="unable to open"):
        Spool(tmp_path / "missing" / "spool.sqlite3")


def refuse_writes(spool, *, pages):
    """Let the database refuse as a full disk does: no page beyond those it has."""
    spool._connection.execute(f"PRAGMA max_page_count = {pages}")


def test_what_a_full_disk_refuses_is_kept_and_written_when_there_is_room(spool):
    refuse_writes(spool, pages=1)
    spool.add([make_frame(number, size=3000) for number in range(50)])
    assert spool.depth == 0
    refuse_writes(spool, pages=1_000_000)
    spool.add([make_frame(50)])
    assert spool.depth == 51
    assert spool.dropped == 0


def test_what_waits_for_a_full_disk_is_bounded_and_counted(spool):
    refuse_writes(spool, pages=1)
    spool.add([Record("result", AT, f'"{"x" * 100_000}"')])
    spool.add([make_frame(number, size=3000) for number in range(1200)])
    refuse_writes(spool, pages=1_000_000)
    spool.add([])
    assert spool.depth == 1000
    assert spool.dropped == 201
    assert spool.has_waiting_results()


def test_a_result_that_a_full_disk_refused_closes_its_run_when_it_is_written(spool, path):
    spool.begin_run(STARTED, latest_start_ms=1000)
    refuse_writes(spool, pages=1)
    spool.finish_run(STARTED.run, Record("result", AT, f'"{"x" * 100_000}"'))
    assert spool.list_interrupted_runs() == [STARTED]
    refuse_writes(spool, pages=1_000_000)
    spool.add([make_frame()])
    again = reopen(spool, path)
    assert again.list_interrupted_runs() == []
    again.close()


def test_a_result_is_written_past_a_power_cut_and_a_frame_only_past_a_crash(spool):
    def read_level():
        return spool._connection.execute("PRAGMA synchronous").fetchone()[0]

    spool.add([make_result()])
    assert read_level() == 2
    spool.add([make_frame()])
    assert read_level() == 1


def test_another_process_holding_the_file_is_no_damage(spool, path):
    spool._connection.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    spool.add([make_frame()])
    assert spool.depth == 0
    with pytest.raises(StateUnusable, match="locked"):
        spool.settle(take(1))
    other.execute("ROLLBACK")
    spool.add([])
    assert spool.depth == 1
    other.close()


class SpoolMachine(RuleBasedStateMachine):
    """Whatever is added is exactly once waiting, settled, rejected or counted as dropped."""

    def __init__(self):
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "spool.sqlite3"
        self.spool = Spool(self.path, SpoolLimits(records=40))
        self.added = self.settled = self.rejected = 0

    def teardown(self):
        self.spool.close()
        self.directory.cleanup()

    @rule(frames=st.integers(0, 30), results=st.integers(0, 2))
    def add(self, frames, results):
        self.spool.add([make_frame()] * frames + [make_result()] * results)
        self.added += frames + results

    @rule(is_live=st.booleans(), count=st.integers(1, 20))
    def settle(self, is_live, count):
        select = self.spool.list_live if is_live else self.spool.list_backlog
        ids = [str(record.id) for record in select(records=count, size_bytes=10_000)]
        self.settled += self.spool.settle(RecordsAnswer(tuple(ids), tuple(ids), ()))

    @rule()
    def reject(self):
        for record in self.spool.list_live(records=1, size_bytes=1):
            rejection = Rejection(str(record.id), "malformed", "", "")
            self.rejected += self.spool.settle(RecordsAnswer((), (), (rejection,)))

    @rule()
    def demote(self):
        self.spool.demote_live()

    @rule()
    def restart(self):
        self.spool.close()
        self.spool = Spool(self.path, SpoolLimits(records=40))

    @invariant()
    def nothing_is_lost_or_doubled(self):
        waiting = len(list(self.spool.list_all()))
        assert waiting == self.spool.depth <= 40
        assert self.added == waiting + self.settled + self.rejected + self.spool.dropped
        assert len(self.spool.list_quarantine()) == self.rejected


TestSpoolMachine = SpoolMachine.TestCase
TestSpoolMachine.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
