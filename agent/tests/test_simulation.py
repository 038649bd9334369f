import json
import os
import signal
import threading
from collections import Counter
from itertools import pairwise

import pytest

from agent.tests.answering_server import LostAnswer, Refusal, read_example
from streamswarm_agent.cli import simulate as command
from streamswarm_agent.cli.main import build_parser, main
from streamswarm_agent.wire.times import parse_time

ALL_FAULTS = ("--late", "0.3", "--duplicate", "0.4", "--shuffled")
DAY_SECONDS = 86_400


def simulate(server, *options, length=("--duration", "2"), clients=3, rate=20):
    address = ("--server", server.url, "--token", "many")
    load = ("--clients", str(clients), "--rate", str(rate), *length)
    return main(["simulate", *address, *load, "--json", *options])


def read_summary(capsys):
    return json.loads(capsys.readouterr().out)


def read_notes(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def assign_ping(server):
    server.lease = read_example("leases_answer") | {"runs": [], "cancelled": []}
    regular = [one for one in server.lease["assignments"] if one["schedule"]["kind"] == "every"]
    return min(one["id"] for one in regular if one["kind"] == "ping")


def test_every_fault_at_once_is_accounted_for(server, capsys, tmp_path):
    server.misbehave("records", LostAnswer(), Refusal(503, "busy", {"Retry-After": "0"}))
    ledger = tmp_path / "ledger"
    options = (*ALL_FAULTS, "--ledger", str(ledger), "--anomaly-share", "0.2")
    assert simulate(server, *options) == 0
    summary = read_summary(capsys)
    assert summary["frames"] + summary["dropped_out"] == 120
    assert summary["accepted"] + summary["duplicate"] == summary["frames"] + summary["sent_again"]
    assert summary["is_exactly_once"]
    assert min(summary[name] for name in ("late", "sent_again", "errors")) > 0
    assert server.violations == []
    lines = ledger.read_text().splitlines()
    assert len(lines) == len(set(lines)) == len(server.stored) == summary["frames"]


def test_late_frames_were_measured_within_seven_days(server, capsys):
    assert simulate(server, "--late", "1", clients=1) == 0
    assert read_summary(capsys)["late"] == 40
    newest = parse_time(max(record["at"] for record in server.stored.values()))
    ages_days = [
        (newest - parse_time(record["at"])) / DAY_SECONDS for record in server.stored.values()
    ]
    assert 1 < max(ages_days) <= 6.9


def test_a_frame_sent_twice_on_purpose_is_a_duplicate_once(server, capsys):
    assert simulate(server, "--duplicate", "1", clients=1) == 0
    summary = read_summary(capsys)
    assert (summary["accepted"], summary["sent_again"], summary["duplicate"]) == (40, 40, 40)
    assert len(server.duplicates) == 40


def test_a_server_that_stores_a_copy_again_is_found_out(server, capsys):
    server._store = lambda _body, _record: "stored"
    assert simulate(server, "--duplicate", "1", clients=1) == 1
    summary = read_summary(capsys)
    assert (summary["accepted"], summary["doubled"]) == (40, 40)
    assert not summary["is_exactly_once"]


def test_shuffling_mixes_records_over_batches(server, capsys):
    assert simulate(server, "--shuffled", clients=1, rate=50) == 0
    assert read_summary(capsys)["accepted"] == 100
    batches = [
        [record["data"]["seq"] for record in body["records"]] for body in server.bodies("records")
    ]
    assert any(batch != sorted(batch) for batch in batches)
    assert any(min(later) < max(sooner) for sooner, later in pairwise(batches))


@pytest.mark.parametrize("faults", [(), ALL_FAULTS])
def test_a_request_has_as_many_frames_as_asked_for(server, capsys, faults):
    assert simulate(server, "--frames-per-request", "4", *faults, clients=1) == 0
    assert read_summary(capsys)["is_exactly_once"]
    sizes = Counter(server.batch_sizes())
    assert max(sizes) == sizes.most_common(1)[0][0] == 4


def test_anomalies_are_noted_with_their_times_and_keys(server, capsys, tmp_path):
    notes_file = tmp_path / "anomalies"
    options = ("--anomaly-share", "0.5", "--anomalies", str(notes_file))
    assert simulate(server, *options, rate=100, length=("--duration", "3")) == 0
    summary = read_summary(capsys)
    notes = read_notes(notes_file)
    assert {note["kind"] for note in notes} <= {"level_shift", "spike", "drop_out"}
    assert len({note["client_id"] for note in notes}) == 3
    missing = sum(note["frames"] for note in notes if note["kind"] == "drop_out")
    assert missing == summary["dropped_out"]
    for note in notes:
        assert note["started_at"] <= note["finished_at"]
        assert note["keys"]
        assert note["source"] == {"kind": "host", "subject": ""}


def test_samples_of_a_test_belong_to_the_assignment_that_the_server_gave(server, capsys, tmp_path):
    assignment_id = assign_ping(server)
    notes_file = tmp_path / "anomalies"
    options = ("--kind", "test", "--anomaly-share", "0.5", "--anomalies", str(notes_file))
    assert simulate(server, *options, rate=100) == 0
    assert read_summary(capsys)["is_exactly_once"]
    sources = {json.dumps(one["data"]["source"]) for one in server.stored_of("frame")}
    assert sources == {json.dumps({"kind": "assignment", "subject": assignment_id})}
    assert server.violations == []
    losses = [note for note in read_notes(notes_file) if note["kind"] == "loss_burst"]
    assert all("net.packet.loss.ratio" in note["keys"] for note in losses)


def test_clients_without_a_test_say_what_to_do(server, capsys, monkeypatch):
    monkeypatch.setattr(command, "find_assignment", quickly(command.find_assignment))
    assert simulate(server, "--kind", "test") == 1
    assert "kind: the server gave no regular ping test to simulated-0000" in capsys.readouterr().err


def quickly(find):
    async def find_at_once(server, name):
        return await find(server, name, within_seconds=0)

    return find_at_once


def test_a_continuous_load_reports_until_it_is_interrupted(server, capsys, monkeypatch):
    monkeypatch.setattr(command, "LIVE_SECONDS", 0.2)

    def interrupt_in_full_swing():
        if server.wait_until(lambda _server: len(_server.stored) > 40, seconds=60):
            os.kill(os.getpid(), signal.SIGINT)

    interrupter = threading.Thread(target=interrupt_in_full_swing)
    interrupter.start()
    assert simulate(server, *ALL_FAULTS, length=("--continuous",)) == 0
    interrupter.join()
    written = capsys.readouterr()
    summary = json.loads(written.out)
    assert summary["is_exactly_once"]
    assert summary["frames"] == len(server.stored)
    lines = written.err.splitlines()
    assert lines
    assert all("requests/s, accepted" in line and "p99" in line for line in lines)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--late", "1.5"], "--late: 1.5 is not between 0 and 1"),
        (["--duplicate", "-0.1"], "--duplicate: -0.1 is not between 0 and 1"),
        (["--anomaly-share", "nan"], "--anomaly-share: nan is not between 0 and 1"),
        (["--frames-per-request", "501"], "--frames-per-request: 501 is over 500"),
        (["--frames-per-request", "0"], "--frames-per-request: 0 is not above 0"),
        (["--kind", "packets"], "--kind: invalid choice: 'packets'"),
        (["--continuous"], "--continuous: not allowed with argument --duration"),
    ],
)
def test_an_option_that_cannot_be_is_named_with_its_limit(options, message, capsys):
    needed = ["--server", "http://x", "--token", "t", "--clients", "1", "--rate", "1"]
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args(["simulate", *needed, "--duration", "1", *options])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_a_number_of_metrics_means_nothing_to_a_test(server, capsys):
    assert simulate(server, "--kind", "test", "--metrics", "10") == 1
    assert "metrics: only for --kind host" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_named(server, capsys, tmp_path):
    assert simulate(server, "--anomalies", str(tmp_path / "no" / "file")) == 1
    assert "no/file cannot be written" in capsys.readouterr().err
