"""Rollups: always what the frames add up to, in whatever order they came."""

import itertools
from collections import defaultdict
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from apps.clients.services import delete_client
from apps.core.clock import read_now
from apps.jobs.services import run_due_jobs
from apps.metrics.algorithms.series import bucket_series
from apps.metrics.algorithms.tiers import STEPS_SECONDS, TIER_NAMES, floor_moment
from apps.metrics.models import Arrival, DirtyBucket, Frame, Rollup
from apps.metrics.selectors import read_range, read_values
from apps.metrics.selectors.columns import as_buckets, find_places, read_rollups
from apps.metrics.services import dirty, rebuild_rollups, retention, roll_up, rollups
from tests.factories.frames import (
    KEY,
    MIDNIGHT,
    OTHER_KEY,
    make_partitions,
    make_source,
    store_frames,
)

LAYOUTS = ((KEY,), (OTHER_KEY, KEY), (OTHER_KEY,))
THIRD_KEY = "system.cpu.load_average.1m"
LATER = timedelta(days=30)

numbers = st.none() | st.floats(-1e9, 1e9)
frames = st.lists(
    st.tuples(
        # Some buckets get many frames, most get few.
        st.sampled_from([0, 60, 3_000, 86_100]) | st.integers(0, 2 * 86_400),
        st.integers(0, 299),
        st.sampled_from(LAYOUTS),
        st.tuples(numbers, numbers),
    ),
    max_size=25,
)


@st.composite
def histories(draw):
    """Uploads in any order and batching, some of them twice, with rollups computed in between."""
    rows = [
        (seq, MIDNIGHT + timedelta(seconds=begin + more), keys, values[: len(keys)])
        for seq, (begin, more, keys, values) in enumerate(draw(frames))
    ]
    shuffled = draw(st.permutations(rows))
    steps = []
    while shuffled:
        size = draw(st.integers(1, 8))
        steps.append(shuffled[:size])
        shuffled = shuffled[size:]
        if draw(st.booleans()):
            steps.append(draw(st.sampled_from(steps)))
        jumps = [None, timedelta(hours=7), *(timedelta(days=days) for days in (4, 5, 6))]
        steps.append(draw(st.sampled_from(jumps)))
    return steps


def play(source, steps):
    for step in steps:
        if isinstance(step, list):
            for seq, at, keys, values in step:
                store_frames(source, [(at, values)], keys, first_seq=seq)
        elif step is not None:
            roll_up(now=MIDNIGHT + step, budget_seconds=60)


def catch_up(now=MIDNIGHT + LATER):
    """Everything that has ended, once it is let settle: what arrived, its buckets, their weeks."""
    for hours in (0, 2, 4):
        roll_up(now=now + timedelta(hours=hours), budget_seconds=60)


def read_kept(source, key, step):
    span = (MIDNIGHT - timedelta(days=1), MIDNIGHT + timedelta(days=9))
    columns = read_rollups(find_places([source.id], key), [source.id], key, step, span)
    return as_buckets(columns[source.id].as_table())


def read_raw(source, key, step):
    start, end = MIDNIGHT - timedelta(days=1), MIDNIGHT + timedelta(days=9)
    return bucket_series(*read_values(source.id, key, start, end), step)


def as_lists(buckets):
    names = ("start", "count", "minimum", "mean", "maximum", "p50", "p95")
    return {name: getattr(buckets, name).tolist() for name in names}


def assert_exact(source):
    for step in STEPS_SECONDS:
        for key in (KEY, OTHER_KEY):
            assert as_lists(read_kept(source, key, step)) == as_lists(read_raw(source, key, step))


@pytest.mark.django_db
@given(histories())
def test_rollups_are_exactly_what_the_frames_add_up_to(steps):
    with transaction.atomic():
        source = make_source()
        play(source, steps)
        catch_up()
        assert not Arrival.objects.exists()
        assert not DirtyBucket.objects.exists()
        assert_exact(source)
        check_counts(source, steps)
        check_reading(source)
        transaction.set_rollback(True)


def check_counts(source, steps):
    """Counted by hand, without any of the code that computes rollups."""
    sent = {row[0]: row for step in steps if isinstance(step, list) for row in step}
    for step in STEPS_SECONDS:
        expected = defaultdict(int)
        for _seq, at, keys, values in sent.values():
            value = dict(zip(keys, values, strict=True)).get(KEY)
            if value is not None:
                expected[floor_moment(at, step).timestamp()] += 1
        kept = read_kept(source, KEY, step)
        assert dict(zip(kept.start.tolist(), kept.count.tolist(), strict=True)) == expected


def check_reading(source):
    """What a chart reads from each tier is what the frames give, cut into the same buckets."""
    for step in STEPS_SECONDS:
        days = 2000 * step // 86_400 - 1 if step == 300 else 6
        start, end = MIDNIGHT, MIDNIGHT + timedelta(days=days)
        points = (end - start) // timedelta(seconds=step) + 1
        if points > 2000:
            continue
        found = read_range(source_id=source.id, key=KEY, start=start, end=end, points=points)
        raw = bucket_series(*read_values(source.id, KEY, start, end), step)
        if found.tier == "raw":
            assert found.mean == read_values(source.id, KEY, start, end)[1].tolist()
            continue
        assert (found.tier, found.step_seconds) == (TIER_NAMES[step], step)
        assert found.at == raw.start.tolist()
        assert (found.count, found.mean) == (raw.count.tolist(), raw.mean.tolist())
        assert (found.p50, found.p95) == (raw.p50.tolist(), raw.p95.tolist())


@pytest.fixture(autouse=True)
def partitions(db):
    make_partitions()


@pytest.fixture
def source():
    return make_source()


def store_minutes(source, count, start=MIDNIGHT, every_seconds=10, **options):
    rows = [
        (start + timedelta(seconds=every_seconds * number), float(number % 17))
        for number in range(count)
    ]
    return store_frames(source, rows, **options)


@pytest.mark.django_db
def test_a_bucket_is_kept_when_it_has_ended_and_not_before(source):
    store_minutes(source, 40)
    roll_up(now=MIDNIGHT + timedelta(minutes=4))
    assert not Rollup.objects.exists()
    roll_up(now=MIDNIGHT + timedelta(minutes=6))
    assert list(Rollup.objects.values_list("step", "at")) == [(300, MIDNIGHT)]
    roll_up(now=MIDNIGHT + timedelta(hours=26))
    assert sorted(Rollup.objects.values_list("step", flat=True)) == [300, 300, 3600, 86400]


@pytest.mark.django_db
def test_a_late_frame_has_its_bucket_recomputed(source):
    store_minutes(source, 40)
    catch_up()
    store_frames(source, [(MIDNIGHT + timedelta(seconds=7), 1e6)], first_seq=500)
    roll_up(now=MIDNIGHT + LATER)
    assert max(Rollup.objects.get(step=86400).maximum) == 16.0
    catch_up()
    assert_exact(source)
    assert max(Rollup.objects.get(step=86400).maximum) == 1e6


@pytest.mark.django_db
def test_a_duplicate_makes_no_work(source):
    store_minutes(source, 40)
    catch_up()
    assert store_minutes(source, 40) == set()
    assert not Arrival.objects.exists()


@pytest.mark.django_db
def test_a_frame_that_comes_while_its_bucket_is_recomputed_is_not_missed(source, monkeypatch):
    store_minutes(source, 30)
    compute = rollups.compute_rollups

    def compute_and_be_overtaken(step, claims):
        found = compute(step, claims)
        if step == 300:
            monkeypatch.setattr(rollups, "compute_rollups", compute)
            store_frames(source, [(MIDNIGHT, 99.0)], first_seq=900)
            rollups.sort_known_arrivals(MIDNIGHT + LATER)
        return found

    monkeypatch.setattr(rollups, "compute_rollups", compute_and_be_overtaken)
    catch_up()
    assert_exact(source)


@pytest.mark.django_db
def test_a_worker_that_was_overtaken_writes_nothing(source):
    now = MIDNIGHT + LATER
    store_minutes(source, 10)
    rollups.sort_known_arrivals(now - timedelta(hours=5))
    claims = rollups.claim_buckets(300, now, now)
    stale = rollups.compute_rollups(300, claims)
    store_frames(source, [(MIDNIGHT, 99.0)], first_seq=900)
    # Its claim has run out, and another worker has done the work.
    catch_up(now + timedelta(minutes=5))
    rollups.store_rollups(300, claims, stale, now)
    assert_exact(source)


@pytest.mark.django_db
def test_what_a_killed_worker_had_claimed_is_done_a_minute_later(source):
    now = MIDNIGHT + LATER
    store_minutes(source, 10)
    rollups.sort_known_arrivals(now - timedelta(hours=5))
    assert rollups.claim_buckets(300, now, now)
    assert not rollups.claim_buckets(300, now, now)
    assert rollups.recompute_some(300, now + timedelta(seconds=61)) == 1
    assert as_lists(read_kept(source, KEY, 300)) == as_lists(read_raw(source, KEY, 300))


@pytest.mark.django_db
def test_a_rollup_outlives_its_frames(source):
    store_minutes(source, 60)
    catch_up()
    before = as_lists(read_kept(source, KEY, 86400))
    Frame.objects.filter(at__lt=MIDNIGHT + timedelta(minutes=5)).delete()
    rebuild_rollups(now=MIDNIGHT + LATER)
    assert as_lists(read_kept(source, KEY, 86400)) == before


@pytest.mark.django_db
def test_rebuilding_makes_what_was_lost_and_changes_nothing_else(source, capsys):
    store_minutes(source, 100, start=read_now() - timedelta(days=2))
    call_command("rollups", "--rebuild")
    assert "buckets recomputed" in capsys.readouterr().out
    kept = list(Rollup.objects.order_by("pk").values_list("step", "at", "mean", "p95"))
    assert kept
    Rollup.objects.filter(step=300).delete()
    call_command("rollups", "--rebuild", "--since", "2020-01-01")
    assert list(Rollup.objects.order_by("pk").values_list("step", "at", "mean", "p95")) == kept
    call_command("rollups")
    assert "0 buckets wait" in capsys.readouterr().out


@pytest.mark.django_db
def test_rebuilding_since_a_wrong_moment_says_so():
    with pytest.raises(CommandError, match="ISO 8601"):
        call_command("rollups", "--rebuild", "--since", "yesterday")


@pytest.mark.django_db
def test_rebuilding_leaves_what_has_not_ended_to_the_reader(source):
    store_minutes(source, 6, start=read_now() - timedelta(minutes=1))
    rebuild_rollups(now=read_now())
    assert not Rollup.objects.filter(step=86400).exists()


@pytest.mark.django_db
def test_values_of_a_key_in_several_layouts_stand_in_one_row(source):
    store_frames(source, [(MIDNIGHT, (1.0, 5.0))], (KEY, THIRD_KEY), first_seq=0)
    store_frames(source, [(MIDNIGHT, (7.0, 2.0))], (OTHER_KEY, KEY), first_seq=1)
    catch_up()
    rows = Rollup.objects.filter(step=300).order_by("layout_id").values_list("count", "mean")
    assert list(rows) == [([2.0, 1.0], [1.5, 5.0]), ([1.0, 0.0], [7.0, None])]
    found = read_kept(source, KEY, 300)
    assert (found.count.tolist(), found.p95.tolist()) == ([2], [1.95])


@pytest.mark.django_db
def test_a_deleted_client_takes_its_rollups_along(source):
    store_minutes(source, 40)
    catch_up()
    store_minutes(source, 3, first_seq=700)
    delete_client(client=source.client)
    run_due_jobs("maintenance")
    assert not Rollup.objects.exists()
    catch_up()
    assert not Rollup.objects.exists()
    assert not DirtyBucket.objects.exists()


@pytest.mark.django_db
def test_a_budget_ends_the_work_and_the_next_call_goes_on(source, monkeypatch):
    store_minutes(source, 400, every_seconds=300)
    roll_up(now=MIDNIGHT + LATER, budget_seconds=0)
    assert Arrival.objects.exists()
    roll_up(now=MIDNIGHT + LATER)
    # A budget for one slice.
    monkeypatch.setattr(rollups.time, "monotonic", itertools.count().__next__)
    counts = [
        roll_up(now=MIDNIGHT + LATER + timedelta(hours=2), budget_seconds=2.5) for _ in range(20)
    ]
    assert max(counts) == dirty.CLAIMS[300]
    monkeypatch.undo()
    catch_up()
    assert_exact(source)


@pytest.mark.django_db
def test_a_late_frame_that_comes_while_all_is_rebuilt_is_not_missed(source, monkeypatch):
    """A rebuild also takes buckets that are not due yet."""
    now = MIDNIGHT + timedelta(days=1, minutes=1)
    store_minutes(source, 30)
    compute = rollups.compute_rollups

    def compute_and_be_overtaken(step, claims):
        found = compute(step, claims)
        if step == 86_400:
            monkeypatch.setattr(rollups, "compute_rollups", compute)
            store_frames(source, [(MIDNIGHT, 99.0)], first_seq=900)
            rollups.sort_known_arrivals(now)
        return found

    monkeypatch.setattr(rollups, "compute_rollups", compute_and_be_overtaken)
    rebuild_rollups(now=now)
    catch_up(now)
    assert_exact(source)


@pytest.fixture
def endless_uploads(source, monkeypatch):
    """While arrivals are sorted, the next upload comes in: as fast as that, at most a hundred."""
    mark, moments = rollups.mark_dirty, itertools.count()

    def mark_while_uploads_go_on(marks):
        mark(marks)
        number = next(moments)
        if number < 100:
            store_frames(source, [(MIDNIGHT, 1.0)], first_seq=10_000 + number)

    monkeypatch.setattr(rollups, "mark_dirty", mark_while_uploads_go_on)


@pytest.mark.django_db
def test_uploads_without_a_pause_do_not_keep_buckets_from_being_recomputed(
    source, endless_uploads, monkeypatch
):
    store_minutes(source, 40)
    rollups.sort_known_arrivals(MIDNIGHT)
    # Each look at the clock takes as long as a slice of arrivals.
    monkeypatch.setattr(rollups.time, "monotonic", itertools.count().__next__)
    assert roll_up(now=MIDNIGHT + LATER, budget_seconds=20) > 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    "work",
    [
        lambda: rebuild_rollups(now=MIDNIGHT + LATER),
        lambda: retention.find_forgettable(MIDNIGHT, MIDNIGHT + LATER),
    ],
    ids=["rebuild", "retention"],
)
def test_uploads_without_a_pause_do_not_keep_work_from_ending(endless_uploads, source, work):
    store_minutes(source, 10)
    work()
    assert Frame.objects.filter(seq__gte=10_000).count() < 100


@pytest.mark.django_db
@pytest.mark.parametrize("is_claimed", [False, True])
def test_what_a_clock_ten_years_ahead_has_put_off_is_done_when_it_is_right_again(
    source, is_claimed
):
    ahead, now = MIDNIGHT + timedelta(days=3650), MIDNIGHT + LATER
    store_minutes(source, 40)
    rollups.sort_known_arrivals(ahead)
    if is_claimed:
        for step in STEPS_SECONDS:
            assert rollups.claim_buckets(step, ahead, ahead + timedelta(hours=3))
    catch_up(now)
    assert not DirtyBucket.objects.exists()
    assert_exact(source)


@pytest.mark.django_db
def test_a_crowd_of_late_frames_is_sorted_in_slices_that_fit_into_memory(source, monkeypatch):
    monkeypatch.setattr(rollups, "SLOTS_PER_TRANSACTION", 3)
    marked, mark = [], rollups.mark_dirty

    def mark_and_count(marks):
        marked.append(len({one for one in marks if one.step == 300}))
        mark(marks)

    monkeypatch.setattr(rollups, "mark_dirty", mark_and_count)
    for number in range(5):
        store_minutes(source, 2, MIDNIGHT + timedelta(hours=number), every_seconds=300)
    catch_up()
    assert [count for count in marked if count] == [4, 4, 2]
    assert_exact(source)
