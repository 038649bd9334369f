"""Files of exports whose workers are killed, hang and come back, or find the disk full."""

import gzip
import hashlib
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.conf import settings as server_settings
from django.db import connection

from apps.accounts.models import Role
from apps.core.clock import read_now
from apps.jobs.errors import JobLost
from apps.jobs.models import Job
from apps.jobs.runs import JobRun
from apps.jobs.services import retry_job, run_due_jobs
from apps.jobs.services.claims import claim_job
from apps.reports.algorithms.formats import FORMATS
from apps.reports.models import Export
from apps.reports.selectors import keyset
from apps.reports.services import exports as services
from apps.reports.services.exports import holding, making, read_order
from apps.reports.writers.export_files import GrowingFile, find_folder, list_sizes, locate_file
from tests.factories.accounts import grant, make_user
from tests.factories.clients import make_client
from tests.factories.tests import make_assignment, make_run
from tests.faults.disks import mount_disk

HOLD_FILE = (
    "import sys, uuid; from django.conf import settings; settings.configure(VAR_DIR=sys.argv[1]);"
    "from apps.reports.writers.export_files import GrowingFile;"
    "file = GrowingFile.open(uuid.UUID(sys.argv[2])); file.write(b'sound'); file.keep();"
    "print('held', flush=True); sys.stdin.read()"
)
DISK_MEGABYTES = 4

pytestmark = pytest.mark.django_db(transaction=True)

ROWS = 5
FILTERS = {"state": ["failed"]}
# All that a turn does to the outside: what it reads, what it writes, and what it notes.
STEPS = (
    (keyset, "fetch"),
    (making, "change_export"),
    (making, "take_file"),
    (GrowingFile, "cut"),
    (GrowingFile, "write"),
    (GrowingFile, "keep"),
    (GrowingFile, "digest"),
    (GrowingFile, "finish"),
)


class Killed(BaseException):
    """No handler of the product catches it."""


@pytest.fixture(autouse=True)
def empty_folder():
    for name in list_sizes():
        (find_folder() / name).unlink()


@pytest.fixture(autouse=True)
def small_steps(monkeypatch):
    monkeypatch.setattr(keyset, "FIRST_ROWS", 2)
    monkeypatch.setattr(keyset, "choose_size", lambda _found: 2)
    monkeypatch.setattr(holding, "PATIENCE_SECONDS", 0)


@pytest.fixture
def ann():
    return make_user("ann", "viewer", site="vienna")


@pytest.fixture
def runs():
    """Five runs at vienna, one at graz."""
    assignment = make_assignment(make_client("probe", site="vienna"), "Gateway")
    for number in range(ROWS):
        make_run(assignment, state="failed", reason=f"reason {number}", slot=number)
    away = make_assignment(make_client("away", site="graz"), "Elsewhere")
    make_run(away, state="failed", reason="graz")


def ask(user, format_name="csv", *, is_gzip=False):
    order = read_order(dataset="runs", format_name=format_name, filters=FILTERS, is_gzip=is_gzip)
    return services.request_export(user=user, order=order)


def release():
    """The claim of the worker runs out."""
    past = read_now() - timedelta(seconds=1)
    Job.objects.filter(state="running").update(claimed_until=past, attempts=0)


def claim():
    """The next worker's attempt, as after the claim of the one before ran out."""
    release()
    return JobRun(claim_job(["reports"]).job)


def write_turn(run, *, turn_seconds=0.0):
    return making.make_export(run, turn_seconds=turn_seconds)


def write_on(*, turn_seconds=0.0):
    """Turns of other workers, until the file is whole."""
    for _number in range(20):
        if write_turn(claim(), turn_seconds=turn_seconds).is_complete:
            return
    raise AssertionError("it never ends")


def read_whole(export):
    """The file, which is what its row says."""
    export = Export.objects.get(id=export.id)
    content = locate_file(export.id).read_bytes()
    assert (export.state, export.row_count) == ("ready", ROWS)
    assert export.size_bytes == len(content)
    assert hashlib.sha256(content).hexdigest() == export.sha256
    assert set(list_sizes()) == {locate_file(export.id).name}
    return gzip.decompress(content)


@pytest.fixture
def whole(ann, runs):
    """The file as one turn writes it."""
    export = ask(ann, is_gzip=True)
    write_turn(claim(), turn_seconds=60)
    content = read_whole(export)
    forget(export)
    return content


@contextmanager
def interrupted(number, happen, *, is_behind):
    """While the block runs `happen` happens before, or behind, its step of that number.

    Gives the steps that were made.
    """
    made = []

    def wrap(name, real):
        def step(*arguments, **values):
            made.append(name)
            is_now = len(made) == number
            if is_now and not is_behind:
                happen()
            found = real(*arguments, **values)
            if is_now and is_behind:
                happen()
            return found

        return step

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in STEPS:
            patch.setattr(owner, name, wrap(name, getattr(owner, name)))
        yield made


def forget(export):
    Job.objects.all().delete()
    services.delete_export(export=Export.objects.get(id=export.id))


@pytest.mark.parametrize("is_behind", [False, True])
@pytest.mark.parametrize("is_file_gone", [False, True])
def test_a_worker_may_be_killed_at_any_step(ann, whole, is_behind, is_file_gone):
    def kill():
        raise Killed

    for number in range(1, 100):
        export = ask(ann, is_gzip=True)
        write_turn(claim())
        if is_file_gone:
            locate_file(export.id).with_suffix(".part").unlink()
        with interrupted(number, kill, is_behind=is_behind) as made, suppress(Killed):
            write_on(turn_seconds=60)
        if len(made) < number:
            break
        write_on()
        assert read_whole(export) == whole
        forget(export)
    assert number > 10


@pytest.mark.parametrize("is_behind", [False, True])
@pytest.mark.parametrize("turns_before", [0, 1])
@pytest.mark.parametrize("is_made_meanwhile", [False, True])
def test_a_worker_that_hung_spoils_nothing_when_it_wakes(
    ann, whole, is_behind, turns_before, is_made_meanwhile
):
    """Another worker writes a turn, or all that is left; that one is not even told."""
    hung = []

    def hang():
        # Nobody gets the job in between of what the database does at once.
        if connection.in_atomic_block:
            return
        hung.append(made[-1])
        if is_made_meanwhile:
            write_on()
        else:
            write_turn(claim())

    for number in range(1, 100):
        export = ask(ann, is_gzip=True)
        for _number in range(turns_before):
            write_turn(claim())
        late, count = claim(), len(hung)
        with interrupted(number, hang, is_behind=is_behind) as made:
            is_lost = False
            try:
                write_turn(late, turn_seconds=60)
            except JobLost:
                is_lost = True
        assert is_lost == (len(hung) > count)
        if len(made) < number:
            break
        write_on()
        assert read_whole(export) == whole
        forget(export)
    assert {"fetch", "write", "keep", "digest", "take_file"} <= set(hung)


def test_a_worker_that_knows_it_lost_the_job_writes_no_further_piece(ann, runs, monkeypatch):
    export, run, real = ask(ann), claim(), keyset.fetch

    def lose(rows):
        run.is_lost = run.note == "2 rows"
        return real(rows)

    monkeypatch.setattr(keyset, "fetch", lose)
    with pytest.raises(JobLost):
        write_turn(run, turn_seconds=60)
    assert locate_file(export.id).with_suffix(".part").read_text().count("reason ") == 2


def test_a_file_is_locked_until_its_writer_ends_or_is_killed(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    export_id = uuid4()
    command = [sys.executable, "-c", HOLD_FILE, str(tmp_path), str(export_id)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, cwd=server_settings.BASE_DIR) as writer:
        assert writer.stdout.readline() == b"held\n"
        assert GrowingFile.open(export_id) is None
        writer.kill()
        writer.wait(60)
    with closing(GrowingFile.open(export_id)) as file:
        assert file.holds(len(b"sound"))
        assert not file.holds(len(b"sound") + 1)


def test_a_worker_waits_a_moment_for_the_one_before_and_goes_on_behind_it(ann, runs, monkeypatch):
    export = ask(ann)
    write_turn(claim())
    before = GrowingFile.open(export.id)
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda _seconds: before.close())
    monkeypatch.setattr(holding, "PATIENCE_SECONDS", 60)
    monkeypatch.setattr(holding, "time", clock)
    write_turn(claim())
    assert Export.objects.get(id=export.id).row_count == 4


def test_what_must_be_written_in_one_turn_begins_anew_after_a_kill(ann, whole, monkeypatch):
    monkeypatch.setitem(FORMATS, "csv", replace(FORMATS["csv"], is_resumable=False))

    def kill(_file):
        raise Killed

    export = ask(ann, is_gzip=True)
    with pytest.MonkeyPatch.context() as patch, suppress(Killed):
        patch.setattr(GrowingFile, "keep", kill)
        write_turn(claim())
    assert write_turn(claim()).is_complete
    assert read_whole(export) == whole


def test_an_export_that_has_its_file_is_changed_no_more(ann, runs):
    export, run = ask(ann), claim()
    write_turn(run, turn_seconds=60)
    with pytest.raises(JobLost):
        holding.drop_file(run, export)
    assert Export.objects.get(id=export.id).row_count == ROWS
    assert locate_file(export.id).exists()


def test_an_export_that_is_deleted_while_it_is_written_leaves_nothing(ann, runs, monkeypatch):
    export, run, real = ask(ann), claim(), GrowingFile.digest

    def digest(file):
        services.delete_export(export=Export.objects.get(id=export.id))
        return real(file)

    monkeypatch.setattr(GrowingFile, "digest", digest)
    with pytest.raises(JobLost):
        write_turn(run, turn_seconds=60)
    assert list_sizes() == {}
    assert not Export.objects.exists()


def move(user, *sites):
    """The user looks at these sites, and at no others."""
    Role.objects.filter(user=user).delete()
    for site in sites:
        grant(user, "viewer", site=site)


def test_a_file_is_read_by_the_rights_of_then_and_handed_out_by_the_same(client, ann, runs):
    client.force_login(ann)
    export = ask(ann)
    address = f"/api/v1/exports/{export.id}/file/"
    move(ann, "vienna", "graz")
    run_due_jobs("reports")
    assert b"graz" in b"".join(client.get(address).streaming_content)
    move(ann, "vienna")
    answer = client.get(address)
    assert (answer.status_code, answer.json()["code"]) == (409, "export_outdated")


@pytest.mark.parametrize(("sites", "rows"), [(["graz"], 1), (["vienna", "graz"], ROWS + 1)])
@pytest.mark.parametrize("format_name", ["csv", "ndjson"])
def test_rights_that_change_between_turns_fail_the_export(
    client, ann, runs, sites, rows, format_name
):
    client.force_login(ann)
    export = ask(ann, format_name)
    write_turn(claim())
    move(ann, *sites)
    release()
    run_due_jobs("reports")
    told = client.get(f"/api/v1/exports/{export.id}/").json()
    assert told["state"] == "failed"
    assert "rights" in told["reason"]
    assert list_sizes() == {}
    # Whoever tries again gets what these rights show.
    retry_job(job=Job.objects.get())
    run_due_jobs("reports")
    told = client.get(f"/api/v1/exports/{export.id}/").json()
    assert (told["state"], told["row_count"]) == ("ready", rows)


def test_a_disk_that_fills_up_fails_the_export_and_gets_its_room_back(ann, settings, monkeypatch):
    settings.SWARM_LEAST_FREE_MEGABYTES = 0
    assignment = make_assignment(make_client("probe", site="vienna"), "Gateway")
    for number in range(60):
        make_run(assignment, state="failed", reason=f"{number} {'x' * 150}", slot=number)
    with ExitStack() as cleanup:
        try:
            disk = cleanup.enter_context(mount_disk(DISK_MEGABYTES))
        except PermissionError as error:
            pytest.skip(str(error))
        settings.VAR_DIR = disk.folder
        export = ask(ann)
        write_turn(claim())
        release()
        disk.fill()
        run_due_jobs("reports")
        export = Export.objects.get(id=export.id)
        assert (export.state, list_sizes()) == ("failed", {})
        assert export.reason == "The disk of exports became full while the file was written."
        disk.free()
        retry_job(job=export.job)
        run_due_jobs("reports")
        content = locate_file(export.id).read_bytes()
    assert content.endswith(b"# complete: 60 rows\r\n")
    assert content.count(b'xxx",') + content.count(b"xxx,") == 60
