"""`manage.py export`: a file of rows without a browser."""

import csv
import gzip
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.accounts.models import AuditEntry
from apps.reports.algorithms.formats.comma_separated import CommaSeparatedWriter
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.frames import MIDNIGHT
from tests.factories.tests import make_assignment, make_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def runs():
    for site in ("vienna", "graz"):
        assignment = make_assignment(make_client(site, site=site), f"Test at {site}")
        make_run(assignment, state="failed", start_at=MIDNIGHT)


def export(*arguments):
    told = StringIO()
    call_command("export", *arguments, stderr=told)
    return told.getvalue().strip()


def test_a_file_holds_what_an_administrator_sees(tmp_path, runs):
    make_user("boss", "admin")
    path = tmp_path / "runs.csv"
    span = ("--from", "2026-01-05", "--to", "2026-01-06T00:00:00+00:00")
    assert export("runs", *span, "--filter", "state=failed", "--output", str(path)) == "2 rows"
    *rows, end = csv.DictReader(path.open(newline=""))
    assert sorted(row["site"] for row in rows) == ["graz", "vienna"]
    assert end["run"] == "# complete: 2 rows"
    assert list(tmp_path.iterdir()) == [path]
    entry = AuditEntry.objects.first()
    assert (entry.action, entry.via, entry.object_label) == ("export", "command", "runs.csv")


@pytest.mark.parametrize("reason", [KeyboardInterrupt, RuntimeError])
def test_a_file_that_breaks_off_leaves_nothing_and_an_older_one_alone(
    tmp_path, runs, monkeypatch, reason
):
    make_user("boss", "admin")
    path = tmp_path / "runs.csv"
    path.write_text("older")

    def break_off(writer, row_count):
        raise reason

    monkeypatch.setattr(CommaSeparatedWriter, "end", break_off)
    with pytest.raises(reason):
        export("runs", "--output", str(path))
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "older"


def test_a_file_holds_what_another_user_sees(tmp_path, runs):
    make_user("vera", "viewer", site="graz")
    path = tmp_path / "runs.json.gz"
    arguments = ("--format", "json", "--gzip", "--user", "vera", "--output", str(path))
    assert export("runs", "--filter", "state=failed", *arguments) == "1 rows"
    assert b"vienna" not in gzip.decompress(path.read_bytes())


def test_without_an_output_it_is_written_to_the_terminal(capfdbinary, runs):
    make_user("boss", "admin")
    export("clients")
    assert capfdbinary.readouterr().out.startswith(b"client,name,hostname")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("runs", "--from", "soon"), "soon: must be a time"),
        (("runs", "--filter", "state"), "must be NAME=VALUE"),
        (("runs", "--filter", "stat=failed"), "is unknown here"),
        (("runs", "--user", "nobody"), "no user 'nobody'"),
        (("runs", "--output", "."), "--output: is a folder"),
        (("runs", "--output", "/no/such/folder/x"), "No such file or directory"),
    ],
)
def test_what_cannot_be_written_is_named(arguments, words):
    make_user("boss", "admin")
    with pytest.raises(CommandError, match=words):
        export(*arguments)


def test_without_an_administrator_there_is_nobody_to_see_anything():
    with pytest.raises(CommandError, match="no administrator yet"):
        export("runs")
