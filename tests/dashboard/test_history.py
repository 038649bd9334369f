"""Charts of any time: what the address may say, and what it gets in one answer."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from apps.core.clock import read_now
from apps.metrics.services import NewFrame, hash_layout, know_layout, know_source, record_frames
from apps.ml.models import Finding
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.tests import make_assignment

pytestmark = pytest.mark.django_db

KEYS = ("system.cpu.utilization", "system.memory.utilization")
PING_KEYS = ("net.rtt.median", "net.packet.loss.ratio")
MINUTE = timedelta(minutes=1)
LINE = {"source": "host", "subject": "", "columns": "mean"}


@pytest.fixture
def host(db):
    return make_client("probe-1", site="vienna")


def record(client, rows, *, kind="host", subject="", keys=KEYS):
    """Frames of one source: by moment, the values of its keys."""
    source_id = know_source(client.id, kind, subject)
    layout = know_layout(hash_layout(keys), list(keys))
    frames = [
        NewFrame(source_id, kind, subject, at, seq, layout, tuple(values), None)
        for seq, (at, values) in enumerate(rows, start=1)
    ]
    record_frames(client_id=client.id, frames=frames, received_at=read_now())
    return source_id


def record_minutes(client, *, end, count, cpu):
    record(client, [(end - MINUTE * (count - n), (cpu, 0.5)) for n in range(count)])


def ask(page, client, *lines, **query):
    url = reverse("dashboard:client-history", args=[client.id])
    parts = {
        name: [line[name] for line in lines] for name in ("source", "subject", "key", "columns")
    }
    return page.get(url, {**query, **parts})


def read(page, client, *lines, **query):
    answer = ask(page, client, *lines, **query)
    assert answer.status_code == 200, answer.content
    return answer.json()["lines"]


def test_one_answer_has_every_line_in_the_order_asked_for(page, host):
    record_minutes(host, end=read_now(), count=3, cpu=0.25)
    lines = read(
        page,
        host,
        {**LINE, "key": "system.memory.utilization"},
        {**LINE, "key": "system.cpu.utilization"},
        {**LINE, "source": "disk", "subject": "sda", "key": "system.disk.io.rate{direction=read}"},
    )
    assert [line["mean"] for line in lines] == [[0.5] * 3, [0.25] * 3, []]
    assert [line["resolution"] for line in lines] == ["single values", "single values", ""]


def test_a_line_with_all_columns_has_extremes_and_percentiles(page, host):
    end = read_now().replace(minute=0, second=0, microsecond=0)
    record(host, [(end - MINUTE * (60 - n), (n / 60, 0.5)) for n in range(60)])
    (line,) = read(
        page,
        host,
        {**LINE, "key": "system.cpu.utilization", "columns": "all"},
        start=(end - timedelta(hours=1)).timestamp(),
        end=end.timestamp(),
        points=13,
    )
    assert line["step_seconds"] == 300
    assert line["resolution"] == "5\N{NO-BREAK SPACE}min means"
    assert line["minimum"][0] == 0
    assert line["maximum"][0] == pytest.approx(4 / 60)
    assert line["p50"][0] == pytest.approx(2 / 60)
    assert line["p95"][0] == pytest.approx(3.8 / 60)


def test_the_compared_time_is_drawn_over_the_present_one(page, host):
    now = read_now()
    record_minutes(host, end=now, count=3, cpu=0.3)
    record_minutes(host, end=now - timedelta(days=1), count=3, cpu=0.2)
    (line,) = read(
        page,
        host,
        {**LINE, "key": "system.cpu.utilization"},
        start=(now - timedelta(minutes=5)).timestamp(),
        end=now.timestamp(),
        compare="day",
    )
    assert line["earlier"]["at"] == pytest.approx(line["at"])
    assert line["earlier"]["mean"] == [0.2] * 3
    mean = line["changes"][0]
    assert (mean["percent"], mean["arrow"], mean["tone"]) == (
        "+50.0\N{NO-BREAK SPACE}%",
        "▲",
        "bad",
    )
    assert (mean["before"], mean["now"]) == ("20.0\N{NO-BREAK SPACE}%", "30.0\N{NO-BREAK SPACE}%")
    assert mean["word"] == "worse"


def test_the_previous_period_is_as_long_as_the_one_that_is_shown(page, host):
    now = read_now()
    record_minutes(host, end=now - timedelta(minutes=5), count=3, cpu=0.2)
    (line,) = read(
        page,
        host,
        {**LINE, "key": "system.cpu.utilization"},
        start=(now - timedelta(minutes=5)).timestamp(),
        end=now.timestamp(),
        compare="previous",
    )
    assert line["earlier"]["mean"] == [0.2] * 3
    assert line["changes"] == []


def test_a_test_is_read_as_one_client_sees_it(page, host):
    assignment = make_assignment(host)
    source_id = record(
        host,
        [(read_now(), (0.012, 0.0))],
        kind="assignment",
        subject=str(assignment.id),
        keys=PING_KEYS,
    )
    assignment.source_id = source_id
    assignment.save(update_fields=["source"])
    url = reverse("dashboard:test-history", args=[assignment.test_id, host.id])
    line = {"source": "assignment", "subject": "", "key": "net.rtt.median", "columns": "mean"}
    assert page.get(url, line).json()["lines"][0]["mean"] == [0.012]


def test_a_clients_page_does_not_reach_what_its_tests_measured(page, host):
    assignment = make_assignment(host)
    subject = str(assignment.id)
    record(host, [(read_now(), (1.0, 0.0))], kind="assignment", subject=subject, keys=PING_KEYS)
    line = {"source": "assignment", "subject": subject, "key": PING_KEYS[0], "columns": "mean"}
    assert read(page, host, line)[0]["mean"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"start": "yesterday"}, "start"),
        ({"end": "nan"}, "end"),
        ({"start": "1e300"}, "start"),
        ({"start": "-1"}, "start"),
        ({"start": "200", "end": "100"}, "end"),
        ({"points": "0"}, "points"),
        ({"points": "2001"}, "points"),
        ({"points": "-5"}, "points"),
        ({"key": "system.cpu.utilization"}, "columns"),
        ({"key": "x", "source": "host", "subject": "", "columns": "mean"}, "key"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_name(page, host, query, field):
    answer = page.get(reverse("dashboard:client-history", args=[host.id]), query)
    assert answer.status_code == 400
    assert f"{field}: " in answer.content.decode()


def test_the_number_of_lines_is_bounded(page, host):
    answer = ask(page, host, *[{**LINE, "key": "system.cpu.utilization"}] * 101)
    assert answer.status_code == 400
    assert "at most 100" in answer.content.decode()


def test_a_viewer_reads_no_series_of_another_site(client, host):
    client.force_login(make_user("gerda", "viewer", site="graz"))
    assert ask(client, host).status_code == 404


def read_state(answer):
    return answer.context["history"]


def test_the_address_says_what_the_charts_show(page, host):
    path = reverse("dashboard:client", args=[host.id])
    answer = page.get(path, {"range": "1y", "compare": "week", "band": "percentiles"})
    text = answer.content.decode()
    assert read_state(answer).span == timedelta(days=365)
    for part in ('data-seconds="31536000"', 'data-compare="week"', 'data-band="percentiles"'):
        assert part in text
    # Each way on keeps what else was chosen.
    assert "?range=24h&amp;compare=week&amp;band=percentiles" in text


@pytest.mark.parametrize("query", [{"range": "2y"}, {"compare": "century"}, {"band": "wide"}])
def test_unknown_words_mean_what_holds_without_them(page, host, query):
    state = read_state(page.get(reverse("dashboard:client", args=[host.id]), query))
    assert (state.range_name, state.comparison, state.band) == ("15m", "", "both")


def test_a_free_range_in_the_users_zone_leads_to_one_that_all_zones_share(client, admin, host):
    admin.time_zone = "Europe/Vienna"
    admin.save()
    client.force_login(admin)
    path = reverse("dashboard:client", args=[host.id])
    asked = {"start": "2026-01-31T12:00", "end": "2026-01-31T13:30", "range": "7d", "band": "none"}
    answer = client.get(path, asked)
    assert answer.status_code == 302
    assert "start=2026-01-31T11%3A00%3A00Z&end=2026-01-31T12%3A30%3A00Z" in answer["Location"]
    assert "band=none" in answer["Location"]
    assert "range" not in answer["Location"]
    shown = client.get(answer["Location"])
    assert read_state(shown).start == datetime(2026, 1, 31, 11, tzinfo=UTC)
    # The form shows the user's own clock.
    assert 'value="2026-01-31T12:00:00"' in shown.content.decode()


@pytest.mark.parametrize(
    ("start", "end", "detail"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T11:00:00Z", "at least 10 seconds later"),
        ("1980-01-31T12:00:00Z", "2026-01-31T11:00:00Z", "at most 3,660 days later"),
        ("2150-01-31T12:00:00Z", "2150-02-01T11:00:00Z", "lies in the future"),
        ("0900-01-31T12:00:00Z", "2026-01-31T11:00:00Z", "must lie between 1970 and 2200"),
        ("noon", "2026-01-31T11:00:00Z", "must be a date with a time of day"),
        ("", "2026-01-31T11:00:00Z", "must be given together with the other end"),
        (None, "2026-01-31T11:00:00Z", "must be given together with the other end"),
    ],
)
def test_a_range_that_cannot_be_is_told_at_its_field(page, host, start, end, detail):
    query = {"end": end} if start is None else {"start": start, "end": end}
    answer = page.get(reverse("dashboard:client", args=[host.id]), query)
    assert answer.status_code == 200
    assert detail in answer.content.decode()
    assert not read_state(answer).is_free


def test_one_may_go_to_the_period_before_and_after(page, host):
    path = reverse("dashboard:client", args=[host.id])
    query = {"start": "2026-01-31T12:00:00Z", "end": "2026-01-31T13:00:00Z"}
    state = read_state(page.get(path, query))
    assert state.before == ("2026-01-31T11:00:00Z", "2026-01-31T12:00:00Z")
    assert state.after == ("2026-01-31T13:00:00Z", "2026-01-31T14:00:00Z")
    assert read_state(page.get(path)).after is None


@pytest.mark.parametrize("name", ["client", "test"])
def test_only_the_charts_come_when_only_their_time_changes(page, host, name):
    assignment = make_assignment(host)
    path = reverse(f"dashboard:{name}", args=[host.id if name == "client" else assignment.test_id])
    headers = {"HX-Request": "true", "HX-Target": "history"}
    text = page.get(path, {"range": "30d"}, headers=headers).content.decode()
    assert 'id="history"' in text
    assert 'id="head"' not in text
    assert json.loads(text.partition('type="application/json">')[2].partition("</script>")[0])


def test_what_was_unusual_comes_with_its_line_and_the_usual_where_it_is_wanted(page, host):
    record_minutes(host, end=read_now(), count=3, cpu=0.25)
    source = host.sources.get(kind="host")
    at = read_now() - 2 * MINUTE
    Finding.objects.create(
        kind="series_anomaly", severity="info", client=host, source=source, metric=KEYS[0],
        cause="range", started_at=at, ended_at=at + 5 * MINUTE, score=1.3,
        evidence={"ratio": 1.3, "span_seconds": 86_400 * 14}, created_at=at,
    )  # fmt: skip
    cpu = {**LINE, "key": KEYS[0], "columns": "usual"}
    memory = {**LINE, "key": KEYS[1]}
    first, second = read(page, host, cpu, memory, usual="range")
    assert [mark["text"] for mark in first["unusual"]] == [
        "outside the range of the last 14 days by 30 % of its width"
    ]
    assert first["usual"]["high"][-1] == 0.25
    assert second["unusual"] == []
    assert "usual" not in second
    assert "usual" not in read(page, host, cpu)[0]
    assert ask(page, host, cpu, usual="other").status_code == 400
    [alone] = read(page, host, {**cpu, "columns": "mean_usual"}, usual="range")
    assert alone["usual"] == first["usual"]
    assert "p95" not in alone
