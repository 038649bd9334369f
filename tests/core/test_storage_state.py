"""A full disk is remembered without the database, by every process, until a write finds room."""

import json
import os
import subprocess
import sys
from datetime import timedelta

import pytest

from apps.core import storage_state
from apps.core.clock import read_now
from apps.core.errors import StorageFull
from apps.core.storage_state import (
    FILE_BYTES,
    LONGEST_SILENCE,
    SETTLING,
    StorageState,
    clear_storage_fault,
    find_file,
    note_storage_fault,
    read_storage_fault,
    refuse_without_reserve,
)

READ = (
    "import django; django.setup()\n"
    "from apps.core.storage_state import read_storage_fault\n"
    "print(read_storage_fault().detail)"
)


@pytest.fixture
def clock(monkeypatch):
    """Moves the state's clock by what is appended."""
    shifts = []
    monkeypatch.setattr(storage_state, "read_now", lambda: read_now() + sum(shifts, timedelta()))
    return shifts


@pytest.fixture
def unwritable(monkeypatch):
    """The file system refuses every write."""

    def refuse(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", refuse)


def test_there_is_no_fault_at_first():
    assert read_storage_fault() is None


def test_a_fault_says_since_when_and_why(clock):
    begin = read_now()
    note_storage_fault("No room.")
    clock.append(timedelta(seconds=30))
    note_storage_fault("Still no room.")
    fault = read_storage_fault()
    assert begin <= fault.since_at <= read_now()
    assert (fault.detail, fault.is_reserve) == ("Still no room.", False)


def test_a_write_that_finds_room_ends_the_fault_once_it_has_settled(clock):
    note_storage_fault("No room.")
    clear_storage_fault()
    assert read_storage_fault() is not None
    clock.append(SETTLING)
    clear_storage_fault()
    assert read_storage_fault() is None


def test_what_nobody_has_met_for_long_is_over(clock):
    note_storage_fault("No room.")
    clock.append(LONGEST_SILENCE + timedelta(seconds=1))
    assert read_storage_fault() is None


def test_another_process_knows_it_too():
    note_storage_fault("No room.")
    output = subprocess.run(
        [sys.executable, "-c", READ], env=os.environ, capture_output=True, text=True, check=True
    )
    assert output.stdout.strip().splitlines()[-1] == "No room."


def test_another_process_may_end_it(clock):
    note_storage_fault("No room.")
    clock.append(SETTLING)
    StorageState().clear(find_file())
    assert read_storage_fault() is None


def test_the_file_is_there_before_it_is_needed_and_never_grows():
    find_file().unlink()
    assert read_storage_fault() is None
    assert find_file().stat().st_size == FILE_BYTES
    note_storage_fault("x" * 10_000)
    assert find_file().stat().st_size == FILE_BYTES
    assert len(read_storage_fault().detail) <= 200


def test_a_process_knows_what_it_met_when_not_even_the_file_can_be_written(unwritable, clock):
    find_file().unlink()
    note_storage_fault("No room.")
    assert read_storage_fault().detail == "No room."
    clock.append(SETTLING)
    clear_storage_fault()
    assert read_storage_fault() is None


@pytest.mark.parametrize("text", ["{", "[]", '{"since_at": 1}', json.dumps({"since_at": "x"})])
def test_a_damaged_file_is_no_fault(text):
    find_file().write_text(text)
    assert read_storage_fault() is None


def test_a_reserve_is_kept_on_the_disk_of_a_database_file(settings, monkeypatch):
    settings.IS_SQLITE = True
    monkeypatch.setattr(storage_state, "measure_free_megabytes", lambda _folder: 63.9)
    with pytest.raises(StorageFull, match="64 MB that are kept in reserve") as caught:
        refuse_without_reserve()
    assert caught.value.retry_after_seconds > 0
    assert read_storage_fault().is_reserve
    settings.SWARM_LEAST_FREE_MEGABYTES = 63
    refuse_without_reserve()


@pytest.mark.parametrize("change", [{"IS_SQLITE": False}, {"SWARM_LEAST_FREE_MEGABYTES": 0}])
def test_a_reserve_is_not_asked_for_where_none_is_kept(settings, monkeypatch, change):
    settings.IS_SQLITE = True
    for name, value in change.items():
        setattr(settings, name, value)
    monkeypatch.setattr(storage_state, "measure_free_megabytes", lambda _folder: 0.0)
    refuse_without_reserve()
    assert read_storage_fault() is None
