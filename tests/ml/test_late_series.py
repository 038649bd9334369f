"""What an agent kept back while it was cut off is judged when it comes, once and in its order."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.metrics.models import DirtyBucket, Latest, Layout, Rollup, Source
from apps.ml.algorithms.series.slots import (
    REMEMBERED_SLOTS,
    JudgedSlots,
    await_slots,
    read_slots,
    write_slots,
)
from apps.ml.models import Finding, SeriesState, SeriesWatch
from apps.ml.services import late_series
from apps.ml.services.late_series import judge_late_series
from apps.ml.services.series import judge_series
from tests.factories.clients import make_client
from tests.factories.frames import MIDNIGHT as START

FIVE_MINUTES = timedelta(minutes=5)
KEY = "system.cpu.utilization"
COLUMNS = ("count", "minimum", "mean", "maximum", "p50", "p95")
# The agent was cut off from here to there, and something was unusual meanwhile.
CUT, BACK, ODD = 500, 596, 540
LAST = 700


def find_moment(number):
    return START + number * FIVE_MINUTES


def make_values(length=LAST, odd=(ODD,)):
    values = np.random.default_rng(1).uniform(0.2, 0.8, size=length)
    values[list(odd)] = 1.6
    return values.tolist()


def store(source, values, first=0):
    layout, _made = Layout.objects.get_or_create(hash="late", defaults={"keys": [KEY]})
    Rollup.objects.bulk_create(
        Rollup(
            source=source,
            step=300,
            at=find_moment(first + number),
            layout=layout,
            **{column: [value] for column in COLUMNS},
        )
        for number, value in enumerate(values)
    )
    newest = find_moment(first + len(values) - 1)
    Latest.objects.filter(source=source, at__lt=newest).update(at=newest)


def look(number):
    return judge_series(now=find_moment(number) + timedelta(seconds=31))


def look_for_late(number=LAST):
    return judge_late_series(now=find_moment(number) + timedelta(minutes=1))


def watch_source(name="probe"):
    source = Source.objects.create(client=make_client(name), kind="host")
    layout, _made = Layout.objects.get_or_create(hash="late", defaults={"keys": [KEY]})
    Latest.objects.create(source=source, at=START, seq=1, layout=layout, values=[0.0])
    judge_series(now=START)
    return source


def live_through(source, values, *, cut=CUT, back=BACK):
    """Judged as it comes up to the cut, then from the moment on at which the agent is back."""
    store(source, values[:cut])
    look(cut)
    store(source, values[back:], first=back)
    look(LAST)


@pytest.fixture
def source(db):
    return watch_source()


def list_odd():
    return list(Finding.objects.order_by("started_at").values_list("started_at", flat=True))


def test_a_backlog_is_judged_when_it_comes_and_its_findings_are_made_once(source):
    values = make_values()
    live_through(source, values)
    before = list_odd()
    assert find_moment(ODD) not in before
    assert look_for_late() == 0
    store(source, values[CUT:BACK], first=CUT)
    assert look(LAST) == 0
    assert look_for_late() == 1
    assert find_moment(ODD) in list_odd()
    after = list_odd()
    assert look_for_late() == 0
    assert (list_odd(), set(before) <= set(after)) == (after, True)


def test_a_backlog_changes_no_finding_that_was_made_of_what_came_in_time(source):
    values = make_values(odd=(450, ODD, 650))
    live_through(source, values)
    in_time = list_odd()
    store(source, values[CUT:BACK], first=CUT)
    look_for_late()
    late = set(list_odd()) - set(in_time)
    assert all(find_moment(CUT) <= at < find_moment(BACK) for at in late)
    assert Finding.objects.count() == len(in_time) + len(late)


def test_after_a_backlog_the_series_goes_on_as_if_it_had_come_in_time(source):
    values = make_values(LAST + 60)
    values[LAST + 30] = 2.4
    live_through(source, values[:LAST])
    store(source, values[CUT:BACK], first=CUT)
    look_for_late()
    other = watch_source("other")
    store(other, values[:LAST])
    look(LAST)
    for one in (source, other):
        store(one, values[LAST:], first=LAST)
    look(LAST + 60)
    counts = SeriesState.objects.values_list("source_id", "values_count")
    assert dict(counts) == {source.id: LAST + 60, other.id: LAST + 60}
    found = Finding.objects.filter(started_at=find_moment(LAST + 30)).order_by("source_id")
    assert list(found.values_list("source_id", flat=True)) == [source.id, other.id]
    assert len(set(found.values_list("score", flat=True))) == 1


def test_a_short_gap_is_filled_from_the_stored_state(source, monkeypatch):
    values = make_values(odd=(LAST - 5,))
    live_through(source, values, cut=LAST - 8, back=LAST - 3)
    stored_until = SeriesWatch.objects.get().stored_until
    assert stored_until <= find_moment(LAST - 8)
    store(source, values[LAST - 8 : LAST - 3], first=LAST - 8)
    reads = []
    read = late_series.read_five_minute_means
    monkeypatch.setattr(
        late_series,
        "read_five_minute_means",
        lambda starts, keys: reads.append(starts) or read(starts, keys),
    )
    assert look_for_late() == 1
    assert reads == [{source.id: stored_until}]
    assert find_moment(LAST - 5) in list_odd()
    assert SeriesState.objects.get().values_count == LAST


def test_a_backlog_that_is_still_being_computed_is_waited_for(source):
    values = make_values()
    live_through(source, values)
    store(source, values[CUT : BACK - 20], first=CUT)
    waiting = DirtyBucket.objects.create(
        source=source,
        step=300,
        at=find_moment(BACK - 20),
        due_at=find_moment(LAST),
        claimed_until=find_moment(LAST),
    )
    assert look_for_late() == 0
    waiting.delete()
    assert look_for_late() == 1
    store(source, values[BACK - 20 : BACK], first=BACK - 20)
    assert look_for_late() == 1
    assert list_odd().count(find_moment(ODD)) == 1


def test_two_who_judge_the_same_backlog_store_it_once(source):
    values = make_values()
    live_through(source, values)
    store(source, values[CUT:BACK], first=CUT)
    late = late_series.find_late(SeriesWatch.objects.get())
    assert len(late.moments) == BACK - CUT
    assert late_series.judge_late_source(late, 1.02)
    assert not late_series.judge_late_source(late, 1.02)


def test_a_source_that_is_judged_while_its_backlog_is_keeps_its_state(source):
    values = make_values(LAST + 1)
    live_through(source, values[:LAST])
    store(source, values[CUT:BACK], first=CUT)
    late = late_series.find_late(SeriesWatch.objects.get())
    store(source, values[LAST:], first=LAST)
    look(LAST + 1)
    assert not late_series.judge_late_source(late, 1.02)
    assert look_for_late(LAST + 1) == 1
    assert SeriesState.objects.get().values_count == LAST + 1


def test_sources_without_a_gap_are_not_even_counted(source, django_assert_num_queries):
    store(source, make_values())
    look(LAST)
    SeriesWatch.objects.update(judged_slots=write_slots(JudgedSlots(1, 0b111)))
    # The sensitivity, and the watches.
    with django_assert_num_queries(2):
        assert look_for_late() == 0


def test_a_watch_of_before_the_bits_remembers_from_its_next_judgement_on(source):
    values = make_values(LAST + 2)
    store(source, values[:100])
    look(100)
    SeriesWatch.objects.update(judged_slots=b"")
    store(source, values[200:300], first=200)
    look(300)
    store(source, values[100:200], first=100)
    assert look_for_late() == 0
    store(source, values[400:LAST], first=400)
    look(LAST)
    store(source, values[300:400], first=300)
    assert look_for_late() == 1
    assert SeriesState.objects.get().values_count == LAST


# The bits.
def test_judged_slots_come_back_as_they_were_written():
    slots = await_slots(9000).note([9000, 8990])
    assert read_slots(write_slots(slots)) == slots
    assert len(write_slots(slots)) <= 260
    assert read_slots(b"") == JudgedSlots()


@given(parts=st.lists(st.lists(st.integers(5000, 5000 + 3 * REMEMBERED_SLOTS), max_size=20)))
def test_what_was_noted_is_known_and_nothing_else_of_the_last_week(parts):
    slots, noted = JudgedSlots(), set()
    for part in parts:
        slots = slots.note(part)
        noted.update(part)
    if not noted:
        assert slots == JudgedSlots()
        return
    newest = max(noted)
    week = range(slots.first, newest + 1)
    assert len(week) <= REMEMBERED_SLOTS
    assert [slot for slot in week if slots.knows(slot)] == sorted(noted & set(week))
    assert slots.knows(slots.first - 1)
    assert slots.count == slots.count_since(0) == len(noted & set(week))
    assert slots.count_since(newest) == 1
    assert slots.is_complete is (slots.count == len(week))
