"""Migrations stand by themselves, and bring what was stored before them along."""

import ast
from datetime import timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from apps.core.clock import read_now
from apps.metrics.models import Arrival, DirtyBucket, Frame, HourStrip, Rollup
from apps.metrics.services import roll_up
from apps.metrics.writers import LAID, ensure_partitions
from tests.factories.frames import KEY, make_source, store_frames

FOLDER = Path(apps.get_app_config("metrics").path) / "migrations"
# What migrations are written with, as with Django's own fields and operations.
BUILDING_BLOCKS = {"apps.metrics.fields", "apps.metrics.partitions"}
BEFORE_ROLLUPS = [("metrics", "0003_documents")]
LATER_SECONDS = 3 * 86_400


def migrate(targets):
    MigrationExecutor(connection).migrate(targets)


@pytest.fixture
def newest(transactional_db):
    """The newest migrations, which hold again after the test."""
    targets = MigrationExecutor(connection).loader.graph.leaf_nodes()
    yield targets
    migrate(targets)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("0*.py")), ids=lambda path: path.stem)
def test_a_migration_imports_nothing_that_may_change(path):
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name for name in names if name.startswith("apps.")} <= BUILDING_BLOCKS


def test_frames_from_before_there_were_rollups_are_rolled_up(newest):
    source, now = make_source(), read_now().replace(microsecond=0)
    store_frames(source, [(now, 1.0), (now.replace(second=0), 2.0)])
    slots = list(Arrival.objects.values_list("slots", flat=True))
    migrate(BEFORE_ROLLUPS)
    migrate(newest)
    assert Frame.objects.count() == 2
    assert list(Arrival.objects.values_list("slots", flat=True)) == slots
    assert roll_up_later(now) == 3
    assert sorted(Rollup.objects.values_list("step", flat=True)) == [300, 3600, 86_400]


def test_frames_that_were_noted_already_are_not_noted_again(newest):
    now = read_now()
    store_frames(make_source(), [(now, 1.0)])
    assert roll_up_later(now) == 3
    migrate([("metrics", "0005_clock_mark")])
    migrate(newest)
    assert not Arrival.objects.exists()


def roll_up_later(now):
    """How many buckets were recomputed once all had ended and settled."""
    later = [now.fromtimestamp(now.timestamp() + n * LATER_SECONDS, now.tzinfo) for n in (1, 2)]
    return sum(roll_up(now=moment, budget_seconds=60) for moment in later)


def test_hours_from_before_there_were_strips_are_laid_out(newest):
    now = read_now()
    at = now - timedelta(days=9)
    ensure_partitions(at)
    store_frames(make_source(), [(at, 1.0)])
    assert roll_up_later(now) == 3
    migrate([("metrics", "0007_layout_brought_by")])
    DirtyBucket.objects.all().delete()
    migrate(newest)
    assert roll_up(now=now + timedelta(days=1), budget_seconds=60) == 1
    assert sorted(HourStrip.objects.values_list("key", flat=True)) == [LAID, KEY]
