"""Pages of what was unusual or wrong, and of what people say of it."""

from datetime import timedelta

import pytest
from django.urls import reverse

from apps.core.clock import read_now
from apps.metrics.models import Source
from apps.metrics.services import know_source
from apps.ml.models import Feedback, Finding, SeriesState, SeriesWatch
from apps.ml.services.feedback import Word, give_feedback
from apps.ml.services.findings import raise_findings
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.findings import RANGE, make_diagnosis, make_finding
from tests.factories.tests import make_assignment, make_result

pytestmark = pytest.mark.django_db
LIST = "/findings/"


@pytest.fixture
def probe():
    return make_client("probe", site="vienna", tags=["edge"])


@pytest.fixture
def assignment(probe):
    return make_assignment(probe, "Ping", target="192.0.2.1")


def read(page, path, **query):
    answer = page.get(path, query)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def raise_many(client, count, *, at=None):
    started_at = at or read_now() - timedelta(minutes=10)
    return raise_findings(
        [
            Finding(
                kind="series_anomaly",
                severity="warning" if number == 0 else "info",
                client=client,
                metric=f"metric-{number}",
                cause="range",
                started_at=started_at,
                ended_at=started_at + timedelta(minutes=5),
                score=2.0 - number / 100,
                evidence=RANGE,
                created_at=read_now(),
            )
            for number in range(count)
        ]
    )


def test_many_metrics_of_one_client_at_one_time_are_one_line(page, probe):
    raise_many(probe, 9)
    text = read(page, LIST)
    assert text.count('class="finding-row"') == 1
    assert "9 findings at one time" in text
    assert "5 more" in text
    fold = Finding.objects.first().group_id
    assert read(page, LIST, group=fold).count("finding-sentence") == 4


@pytest.mark.parametrize(
    ("query", "is_shown"),
    [
        ({"kind": "series_anomaly"}, True),
        ({"kind": "diagnosis"}, False),
        ({"severity": "warning"}, True),
        ({"severity": "critical"}, False),
        ({"site": "vienna"}, True),
        ({"site": "graz"}, False),
        ({"tag": "edge"}, True),
        ({"cause": "shift"}, False),
        ({"metric": "metric-0"}, True),
        ({"feedback": "none"}, True),
        ({"feedback": "confirmed"}, False),
        ({"feedback": "gibberish"}, True),
        ({"provisional": "no"}, True),
        ({"period": "24h"}, True),
        ({"client": "no-id"}, True),
    ],
)
def test_the_address_narrows_the_list(page, probe, query, is_shown):
    raise_many(probe, 1)
    assert ("finding-row" in read(page, LIST, **query)) == is_shown


def test_what_is_older_than_the_period_is_shown_when_asked_for(page, probe):
    raise_many(probe, 1, at=read_now() - timedelta(days=20))
    assert "finding-row" not in read(page, LIST)
    assert "finding-row" in read(page, LIST, period="30d")
    assert "finding-row" in read(page, LIST, group=Finding.objects.get().group_id)


def test_older_groups_are_a_page_further(page, db):
    for number in range(32):
        raise_many(make_client(f"probe-{number:02}"), 1)
    first = page.get(LIST)
    older = first.context["older_url"]
    rest = page.get(older)
    assert [len(one.context["groups"]) for one in (first, rest)] == [30, 2]
    assert rest.context["older_url"] == ""


def test_an_empty_list_says_what_is_being_learned(page, assignment):
    assert "No series is watched yet" in read(page, LIST)
    source = Source.objects.get(id=know_source(assignment.client_id, "host", ""))
    now = read_now()
    SeriesWatch.objects.create(source=source, is_watched=True, judged_until=now, stored_until=now)
    assert "some 16 hours" in read(page, LIST)
    SeriesState.objects.create(source=source, metric="a", values_count=400, state=b"")
    make_result(assignment)
    assignment.last_run_at = now
    assignment.save()
    text = read(page, LIST)
    assert "1 series are learnt" in text
    assert "Learning 1/50" in text


def test_one_word_is_said_of_the_chosen_groups(page, admin, probe):
    raise_many(probe, 3)
    raise_many(make_client("other"), 2)
    fold = Finding.objects.filter(client=probe).first().group_id
    path = reverse("dashboard:judge-findings")
    answer = page.post(path, {"fold": fold, "verdict": "not_a_problem"}, follow=True)
    assert "Said of 3 findings." in answer.content.decode()
    assert set(Feedback.objects.values_list("finding__client", flat=True)) == {probe.id}
    assert "3 of 3 were wrong" in read(page, LIST)


def test_the_word_is_said_only_of_what_the_filter_shows(page, probe):
    raise_many(probe, 3)
    path = f"{reverse('dashboard:judge-findings')}?metric=metric-1"
    fold = Finding.objects.first().group_id
    page.post(path, {"fold": fold, "verdict": "confirmed"})
    assert Feedback.objects.get().finding.metric == "metric-1"


@pytest.mark.parametrize(
    ("posted", "said"),
    [
        ({"verdict": "confirmed"}, "Choose some findings first."),
        ({"fold": "no-id", "verdict": "confirmed"}, "Choose some findings first."),
        ({"fold": "FOLD", "verdict": "other_cause"}, "must say what it was instead"),
        ({"fold": "FOLD", "verdict": "perhaps"}, "must be one of"),
    ],
)
def test_what_cannot_be_said_of_many_is_told(page, probe, posted, said):
    raise_many(probe, 1)
    fold = str(Finding.objects.get().group_id)
    posted = {name: text.replace("FOLD", fold) for name, text in posted.items()}
    answer = page.post(reverse("dashboard:judge-findings"), posted, follow=True)
    assert said in answer.content.decode()
    assert not Feedback.objects.exists()


def test_the_page_of_a_finding_has_its_sentence_chart_evidence_and_likes(page, probe):
    source = Source.objects.get(id=know_source(probe.id, "host", ""))
    now = read_now()
    make_finding(probe, source=source, at=now - timedelta(hours=5))
    finding = make_finding(probe, source=source)
    text = read(page, reverse("dashboard:finding", args=[finding.id]))
    assert "outside the range of the last 14 days by 12 % of its width" in text
    assert f'data-url="/clients/{probe.id}/history.json"' in text
    assert "data-mark-start=" in text
    assert 'data-usual="range"' in text
    assert "unusual from 1.02 on" in text
    assert "Earlier ones like it" in text
    assert text.count("finding-line") >= 1
    assert "Diagnose now" in text


def test_a_finding_about_a_run_leads_to_its_diagnosis(page, assignment):
    run = make_result(assignment).run
    finding = make_finding(
        assignment.client,
        "joint_anomaly",
        test=assignment.test,
        source=assignment.source,
        run=run,
    )
    text = read(page, reverse("dashboard:finding", args=[finding.id]))
    assert "Diagnose that time" in text
    assert reverse("dashboard:diagnose-run", args=[run.id]) in text
    assert "31 points of 100" in text
    assert (
        reverse("dashboard:assignment-history", args=[run.assignment.test_id, assignment.id])
        in text
    )


def test_a_series_finding_of_a_test_finds_the_run_of_its_time(page, assignment):
    result = make_result(assignment)
    run = result.run
    finding = make_finding(
        assignment.client,
        test=assignment.test,
        source=assignment.source,
        metric="net.rtt.median",
        at=run.start_at - timedelta(minutes=2),
    )
    run.state = "finished"
    run.save()
    text = read(page, reverse("dashboard:finding", args=[finding.id]))
    assert reverse("dashboard:run", args=[run.id]) in text


def test_what_was_found_by_a_rhythm_is_drawn_over_the_day_before(page, probe):
    source = Source.objects.get(id=know_source(probe.id, "host", ""))
    evidence = {"lag_seconds": 86_400, "span_seconds": 9 * 86_400, "window_seconds": 3600}
    finding = make_finding(probe, source=source, cause="season", evidence=evidence)
    text = read(page, reverse("dashboard:finding", args=[finding.id]))
    assert 'data-compare="day"' in text
    assert "one day before" in text


def test_a_diagnosis_shows_its_verdict_and_leads_to_the_whole(page, probe):
    diagnosis = make_diagnosis(probe, cause="lan")
    text = read(page, reverse("dashboard:finding", args=[diagnosis.finding_id]))
    assert "The first router loses 4 %." in text
    assert "Check the cable." in text
    assert reverse("dashboard:diagnosis", args=[diagnosis.id]) in text


@pytest.mark.parametrize("kind", ["finding", "diagnosis", "silent"])
def test_a_word_is_given_shown_counted_and_taken_back(page, admin, probe, kind):
    if kind == "finding":
        row, name = make_finding(probe), "judge-finding"
    else:
        cause = "lan" if kind == "diagnosis" else ""
        row, name = make_diagnosis(probe, cause=cause), "judge-diagnosis"
    path = reverse(f"dashboard:{name}", args=[row.id])
    posted = {"verdict": "other_cause", "cause": "dns_slow", "note": "resolver moved"}
    text = page.post(path, posted, follow=True).content.decode()
    assert "it is counted, and learned from" in text
    assert "It was: " in text
    assert "resolver moved" in text
    assert Feedback.objects.get().said_by == admin
    text = page.post(path, {"verdict": "withdraw"}, follow=True).content.decode()
    assert "Nobody has said anything yet" in text
    assert not Feedback.objects.exists()


def test_a_word_that_means_nothing_is_explained(page, probe):
    path = reverse("dashboard:judge-finding", args=[make_finding(probe).id])
    text = page.post(path, {"verdict": "other_cause"}, follow=True).content.decode()
    assert "must say what it was instead" in text


def test_who_may_only_look_sees_words_but_no_buttons(client, admin, probe):
    finding = make_finding(probe)
    give_feedback([finding], Word("confirmed"), user=admin)
    client.force_login(make_user("vera", "viewer", site="vienna"))
    text = read(client, reverse("dashboard:finding", args=[finding.id]))
    assert "It was a problem" in text
    assert "Not a problem" not in text
    assert 'form="bulk"' not in read(client, LIST)


def test_who_operates_another_site_says_nothing_of_this_one(client, probe):
    user = make_user("otto", "operator", site="graz")
    make_client("own", site="graz")
    raise_many(probe, 1)
    client.force_login(user)
    fold = Finding.objects.get().group_id
    client.post(reverse("dashboard:judge-findings"), {"fold": fold, "verdict": "confirmed"})
    assert not Feedback.objects.exists()


def test_the_newest_findings_stand_on_the_pages_of_client_test_and_run(page, assignment):
    run = make_result(assignment).run
    finding = make_finding(
        assignment.client, "joint_anomaly", test=assignment.test, source=assignment.source, run=run
    )
    link = reverse("dashboard:finding", args=[finding.id])
    for name, about in (
        ("client", assignment.client_id),
        ("test", assignment.test_id),
        ("run", run.id),
    ):
        assert link in read(page, reverse(f"dashboard:{name}", args=[about])), name


def test_the_overview_counts_the_anomalies_of_a_day_beside_those_of_the_day_before(page, probe):
    assert "none in two days" in read(page, "/")
    now = read_now()
    for hours in (1, 2, 30):
        make_finding(probe, at=now - timedelta(hours=hours), metric=f"m{hours}")
    text = read(page, "/")
    assert "Anomalies 24 h" in text
    assert "+1 in a day" in text


def test_the_ribbon_of_a_chart_names_its_findings(page, probe):
    source = Source.objects.get(id=know_source(probe.id, "host", ""))
    finding = make_finding(probe, source=source)
    path = reverse("dashboard:client-history", args=[probe.id])
    query = {"source": "host", "subject": "", "key": finding.metric, "columns": "mean"}
    (line,) = page.get(path, query).json()["lines"]
    assert [mark["id"] for mark in line["unusual"]] == [str(finding.id)]
