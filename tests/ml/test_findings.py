"""Findings are grouped, narrowed by what is asked for, seen by who may, and forgotten."""

import uuid
from datetime import UTC, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.clock import read_now
from apps.core.errors import NotFound
from apps.metrics.models import Source
from apps.metrics.services import know_source
from apps.ml.algorithms.grouping import LONGEST_SPAN, Moment, assign_groups
from apps.ml.models import Diagnosis, Finding
from apps.ml.selectors.findings import (
    FindingQuery,
    count_by_hour,
    get_finding,
    keep_findings,
    list_beside,
    list_findings,
    list_groups,
    list_similar,
)
from apps.ml.services.feedback import Word, give_feedback
from apps.ml.services.findings import forget_findings, raise_findings
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.findings import make_diagnosis, make_finding
from tests.factories.tests import make_assignment

MINUTE = timedelta(minutes=1)
NOON = read_now().replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)


@pytest.fixture
def client(db):
    return make_client(site="vienna", tags=["edge"])


@pytest.fixture
def admin(db):
    return make_user("root", "admin")


def draft(client, minutes, **fields):
    """A finding that is not stored yet."""
    at = NOON + minutes * MINUTE
    return Finding(
        **{
            "kind": "series_anomaly",
            "severity": "info",
            "client": client,
            "metric": f"metric-{minutes}",
            "cause": "range",
            "started_at": at,
            "ended_at": at + 5 * MINUTE,
            "score": 1.1,
            "created_at": at,
            **fields,
        }
    )


def test_what_is_found_of_one_client_at_one_time_is_one_group(client):
    other = make_client("other")
    first = raise_findings([draft(client, 0), draft(client, 0, metric="b"), draft(other, 0)])
    raise_findings([draft(client, 8), draft(client, 30)])
    own = Finding.objects.filter(client=client).order_by("started_at", "metric")
    groups = [finding.group_id for finding in own]
    assert groups[0] == groups[1] == groups[2] != groups[3]
    assert groups[0] in {finding.id for finding in first}
    assert Finding.objects.get(client=other).group_id == Finding.objects.get(client=other).id


def test_raising_again_leaves_the_group_as_it_is(client):
    source = Source.objects.get(id=know_source(client.id, "host", ""))
    raise_findings([draft(client, 0, source=source)])
    before = Finding.objects.get().group_id
    assert raise_findings([draft(client, 0, source=source)]) == []
    assert Finding.objects.get().group_id == before


@given(st.lists(st.integers(0, 600), max_size=40))
def test_no_group_is_longer_than_an_hour_and_the_order_changes_nothing(minutes):
    probe = uuid.UUID(int=0)
    moments = [
        Moment(uuid.UUID(int=place + 1), probe, NOON + minute * MINUTE)
        for place, minute in enumerate(minutes)
    ]
    chosen = assign_groups(moments, [])
    assert chosen == assign_groups(moments[::-1], [])
    for group in set(chosen.values()):
        times = [moment.at for moment in moments if chosen[moment.id] == group]
        assert max(times) - min(times) <= LONGEST_SPAN


def test_a_late_finding_joins_the_group_of_its_time(client):
    raise_findings([draft(client, 0)])
    raise_findings([draft(client, 300)])
    (late,) = raise_findings([draft(client, 5)])
    assert late.group_id == Finding.objects.get(metric="metric-0").group_id


def test_groups_come_newest_first_with_their_gravest_findings(client, admin):
    raise_findings(
        [
            draft(client, 0, metric="a", severity="warning", score=1.3),
            draft(client, 0, metric="b", score=9.0),
            draft(client, 0, metric="c", severity="warning", score=2.0),
            draft(client, 120, metric="d"),
        ]
    )
    newest, older = list_groups(list_findings(admin), count=5, members=2)
    assert (newest.count, newest.severity, newest.more) == (1, "info", 0)
    assert (older.count, older.severity, older.more) == (3, "warning", 1)
    assert [finding.metric for finding in older.findings] == ["c", "a"]


def test_pages_of_groups_follow_each_other_even_at_one_moment(admin, db):
    for number in range(7):
        raise_findings([draft(make_client(f"probe-{number}"), 0)])
    rows, seen, after = list_findings(admin), [], None
    while page := list_groups(rows, count=3, members=1, after=after):
        seen += [group.fold for group in page]
        after = page[-1].position
    assert len(seen) == len(set(seen)) == 7


def test_a_group_holds_only_what_fits_the_question(client, admin):
    raise_findings([draft(client, 0, metric="a"), draft(client, 0, metric="b", cause="shift")])
    rows = keep_findings(list_findings(admin), FindingQuery(cause="shift"))
    (group,) = list_groups(rows, count=5, members=5)
    assert [finding.metric for finding in group.findings] == ["b"]


def test_every_question_narrows(client, admin):
    now = read_now()
    assignment = make_assignment(client, "ping")
    other = make_client("other", site="graz")
    wanted = make_finding(client, "joint_anomaly", severity="critical", test=assignment.test)
    wanted.is_provisional = True
    wanted.save()
    make_finding(other, at=now - timedelta(days=3))
    give_feedback([wanted], Word("not_a_problem"), user=admin)
    rows = list_findings(admin)
    for query in (
        FindingQuery(kind="joint_anomaly"),
        FindingQuery(severity="critical"),
        FindingQuery(client=client.id),
        FindingQuery(site="vienna"),
        FindingQuery(tag="edge"),
        FindingQuery(test=assignment.test_id),
        FindingQuery(since=now - timedelta(days=1)),
        FindingQuery(feedback="any"),
        FindingQuery(feedback="not_a_problem"),
        FindingQuery(provisional=True),
        FindingQuery(group=wanted.id),
    ):
        assert list(keep_findings(rows, query)) == [wanted], query
        assert not query.is_everything
    for query in (
        FindingQuery(metric="system.cpu.utilization"),
        FindingQuery(cause="range"),
        FindingQuery(until=now - timedelta(days=1)),
        FindingQuery(feedback="none"),
        FindingQuery(provisional=False),
    ):
        assert wanted not in keep_findings(rows, query), query
        assert keep_findings(rows, query).count() == 1, query
    assert keep_findings(rows, FindingQuery(feedback="confirmed")).count() == 0
    assert FindingQuery().is_everything


def test_who_sees_one_site_sees_its_findings_alone(client):
    hidden = make_finding(make_client("other", site="graz"))
    seen = make_finding(client)
    vera = make_user("vera", "viewer", site="vienna")
    assert list(list_findings(vera)) == [seen]
    with pytest.raises(NotFound):
        get_finding(vera, hidden.id)
    assert list(list_findings(make_user("nobody"))) == []


def test_similar_ones_are_earlier_ones_of_the_same_series(client, admin):
    source = Source.objects.get(id=know_source(client.id, "host", ""))
    now = read_now()
    older, newer, later = (
        make_finding(client, source=source, at=now - timedelta(hours=hours)) for hours in (3, 2, 0)
    )
    subject = make_finding(client, source=source, at=now - timedelta(hours=1))
    make_finding(client, source=source, metric="system.memory.utilization", at=now - 4 * MINUTE)
    assert list_similar(admin, subject, count=5) == [newer, older]
    assert later not in list_similar(admin, subject, count=5)


def test_those_beside_it_are_of_its_group(client, admin):
    mild, grave, other = raise_findings(
        [
            draft(client, 0, metric="a"),
            draft(client, 0, metric="b", severity="critical"),
            draft(client, 0, metric="c"),
        ]
    )
    assert list_beside(admin, other, count=5)[0] == grave
    assert set(list_beside(admin, other, count=5)) == {mild, grave}
    assert list_beside(admin, make_finding(client, "diagnosis"), count=5) == []


def test_hours_are_counted_without_provisional_ones_and_diagnoses(client, admin):
    start = NOON.astimezone(UTC)
    make_finding(client, at=start + 5 * MINUTE)
    make_finding(client, at=start + 70 * MINUTE, metric="b")
    make_finding(client, "joint_anomaly", at=start + 75 * MINUTE)
    make_finding(client, "joint_anomaly", at=start + 80 * MINUTE, is_provisional=True)
    make_finding(client, "diagnosis", at=start + 80 * MINUTE)
    counts = count_by_hour(admin, start=start, end=start + timedelta(hours=3))
    assert counts == [1, 2, 0]


def test_old_findings_are_forgotten_and_spoken_ones_kept_twice_as_long(client, admin):
    now = read_now()
    ages = (399, 401, 401, 801)
    young, silent, spoken, long_gone = (
        make_finding(client, at=now - timedelta(days=age), metric=f"m{place}")
        for place, age in enumerate(ages)
    )
    give_feedback([spoken, long_gone], Word("confirmed"), user=admin)
    assert forget_findings(now) == 2
    assert set(Finding.objects.all()) == {young, spoken}
    assert silent.id not in set(Finding.objects.values_list("id", flat=True))


def test_diagnoses_go_with_their_findings_or_by_their_own_age(client, admin):
    now = read_now()
    old = now - timedelta(days=500)
    make_diagnosis(client, cause="lan", at=old)
    make_diagnosis(client, at=old)
    told = make_diagnosis(client, at=old)
    kept = make_diagnosis(client, cause="lan", at=now)
    give_feedback([told], Word("other_cause", "disk"), user=admin)
    forget_findings(now)
    assert set(Diagnosis.objects.all()) == {told, kept}
