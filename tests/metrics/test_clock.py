"""A clock that jumped ahead makes everything look old, and must not make it go."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.core.clock import read_now
from apps.metrics import tasks
from apps.metrics.models import ClockMark, Rollup
from apps.metrics.services import is_clock_steady
from apps.metrics.writers import ensure_partitions
from tests.factories.frames import make_source

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
MINUTE, DAY, YEARS = timedelta(minutes=1), timedelta(days=1), timedelta(days=3653)

pytestmark = pytest.mark.django_db


def ask_all(start, end, every=timedelta(hours=6)):
    """What is answered when the clock is read again and again."""
    moments = [start + every * number for number in range((end - start) // every + 1)]
    return [is_clock_steady(moment) for moment in moments]


def test_a_clock_that_runs_is_believed_from_the_first_day_on():
    assert all(ask_all(NOW, NOW + 3 * DAY))


@pytest.mark.parametrize("jump", [YEARS, 3 * DAY, -3 * DAY, -YEARS], ids=str)
def test_after_a_jump_a_day_passes_before_the_clock_is_believed(jump):
    assert is_clock_steady(NOW)
    moved = NOW + jump
    assert not any(ask_all(moved, moved + DAY - MINUTE))
    assert is_clock_steady(moved + DAY)


def test_a_clock_that_was_put_right_again_is_watched_anew():
    assert is_clock_steady(NOW)
    assert not is_clock_steady(NOW + YEARS)
    assert not is_clock_steady(NOW + MINUTE)
    assert all(ask_all(NOW + DAY + MINUTE, NOW + 2 * DAY))


@pytest.mark.parametrize("step", [timedelta(hours=-1), timedelta(hours=1), DAY], ids=str)
def test_small_corrections_and_short_nights_change_nothing(step):
    assert is_clock_steady(NOW)
    assert is_clock_steady(NOW + step)


def make_hour_of_yesterday():
    one = [1.0]
    columns = dict.fromkeys(("count", "minimum", "mean", "maximum", "p50", "p95"), one)
    Rollup.objects.create(source=make_source(), step=3600, at=NOW - DAY, layout_id=0, **columns)


@pytest.fixture
def partitions(transactional_db):
    """What is dropped here stays dropped: the tests that follow need the days around now."""
    yield
    ensure_partitions(read_now())


def forget_at(monkeypatch, *moments):
    for moment in moments:
        monkeypatch.setattr(tasks, "read_now", lambda moment=moment: moment)
        tasks.forget_history()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("partitions")
def test_a_jump_of_ten_years_takes_no_history_along(monkeypatch):
    make_hour_of_yesterday()
    forget_at(monkeypatch, NOW, NOW + YEARS)
    assert Rollup.objects.count() == 1
    assert ClockMark.objects.get().steady_since == NOW + YEARS


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("partitions")
def test_once_a_moved_clock_is_believed_what_is_old_goes(monkeypatch):
    make_hour_of_yesterday()
    forget_at(monkeypatch, NOW, NOW + YEARS, NOW + YEARS + DAY)
    assert Rollup.objects.count() == 0
