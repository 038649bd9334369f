"""Health on pages: the score, why it is not 100, and the way down to a test."""

import re

import pytest

from apps.core.clock import read_now
from apps.ml.models import HealthGoal, HealthScore
from apps.ml.services.health.refreshing import combine_all, combine_sites
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.health import WHY, make_score
from tests.factories.tests import make_assignment, make_result

pytestmark = pytest.mark.any_database


@pytest.fixture
def paths(db):
    """Two sites with a client and a test each, one healthy and one not; and one without a site."""
    made = {}
    for name, site, score in (("calm", "vienna", 100), ("lossy", "graz", 40), ("home", "", None)):
        client = make_client(name, site=site)
        assignment = make_assignment(client, f"Ping of {name}")
        reason = "" if score is not None else "few_results"
        deductions = WHY if name == "lossy" else []
        pillars = {} if score is None else {"performance": float(score)}
        make_score(
            assignment=assignment, score=score, reason=reason, deductions=deductions,
            pillars=pillars, is_partial=score is not None,
        )  # fmt: skip
        make_score(client=client, score=score)
        made[name] = assignment
    combine_sites({made["calm"].client.site_id, made["lossy"].client.site_id}, now=read_now())
    combine_all(now=read_now())
    return made


def read(page, path):
    answer = page.get(path)
    assert answer.status_code == 200, path
    return re.sub(r"\s+", " ", answer.content.decode())


def test_from_all_down_to_a_test_every_step_leads_to_the_next(page, paths):
    lossy = paths["lossy"]
    whole = read(page, "/health/")
    assert f'href="/health/sites/{lossy.client.site_id}/"' in whole
    assert 'href="/health/no-site/"' in whole
    site = read(page, f"/health/sites/{lossy.client.site_id}/")
    assert f'href="/health/clients/{lossy.client_id}/"' in site
    client = read(page, f"/health/clients/{lossy.client_id}/")
    assert f'href="/health/assignments/{lossy.id}/"' in client
    assert "Ping of lossy" in read(page, f"/health/assignments/{lossy.id}/")


def test_what_costs_points_is_named_with_its_value(page, paths):
    text = read(page, f"/health/assignments/{paths['lossy'].id}/")
    assert "Why 40" in text
    assert "Loss" in text
    assert "2.0 %" in text
    assert "\N{MINUS SIGN}24.3" in text


def test_the_whole_names_the_client_that_costs_most(page, paths):
    text = read(page, "/health/")
    # Half the mean of 100 and 40, half the worst of them.
    assert "Why 55" in text
    assert "\N{MINUS SIGN}45.0" in text
    assert "1 more has no score" in text


def test_what_is_unknown_says_why_and_shows_no_number(page, paths):
    text = read(page, f"/health/assignments/{paths['home'].id}/")
    assert "Fewer than 5 results" in text
    assert "/ 100" not in text
    assert "unknown" in text


def test_somebody_of_one_site_sees_only_what_is_put_together_of_it(client, paths):
    client.force_login(make_user("local", "viewer", site="graz"))
    text = read(client, "/health/")
    assert "Why 40" in text
    assert "calm" not in text
    assert "vienna" not in text
    calm = paths["calm"]
    for path in (
        f"/health/assignments/{calm.id}/",
        f"/health/clients/{calm.client_id}/",
        f"/health/sites/{calm.client.site_id}/",
    ):
        assert client.get(path).status_code == 404, path


def test_somebody_of_one_site_has_the_course_of_its_clients(client, paths):
    client.force_login(make_user("local", "viewer", site="graz"))
    assert client.get("/health/").context["course"]["columns"][1][-1] == 40.0


def test_the_overview_shows_the_score_and_how_it_changed_in_a_day(page, paths):
    tile = page.get("/").context["tiles"][0]
    assert (tile.title, tile.value, tile.tone) == ("Health", "55", "bad")
    assert tile.url == "/health/"
    assert "1 unknown" in tile.detail


def test_the_tile_of_somebody_of_one_site_is_of_that_site(client, paths):
    client.force_login(make_user("local", "viewer", site="vienna"))
    tile = client.get("/").context["tiles"][0]
    assert (tile.value, tile.detail) == ("100", "+10 in a day")
    assert tile.spark


def test_lists_show_the_scores(page, paths):
    clients = page.get("/clients/?sort=health").context["rows"]
    assert [row.health_score for row in clients] == [40, 100, None]
    tests = page.get("/tests/").context["rows"]
    assert {row.test.name: row.lowest_health for row in tests} == {
        "Ping of calm": 100,
        "Ping of lossy": 40,
        "Ping of home": None,
    }


def test_client_and_test_pages_have_the_card(page, paths):
    lossy = paths["lossy"]
    assert "Why 40" in read(page, f"/clients/{lossy.client_id}/")
    assert "Why 40" in read(page, f"/tests/{lossy.test_id}/")
    assert "Fewer than 5 results" in read(page, f"/tests/{paths['home'].test_id}/")


def test_a_paused_test_does_not_count(page, paths):
    test = paths["lossy"].test
    test.is_paused = True
    test.save()
    card = page.get(f"/health/clients/{paths['lossy'].client_id}/").context["card"]
    assert card.score is None
    assert "No active test" in card.reason


def fill(**fields):
    typed = {
        "availability": "99.9", "latency_good": "5", "latency_bad": "50",
        "jitter_good": "1", "jitter_bad": "20", "throughput": "",
    }  # fmt: skip
    return {**typed, **fields}


def test_a_goal_is_typed_in_the_units_of_people(page, paths):
    test = paths["calm"].test
    answer = page.post(f"/tests/{test.id}/health-goal/", fill(throughput="100"))
    assert answer.status_code == 302
    goal = HealthGoal.objects.get(test=test)
    assert (goal.availability_goal_ratio, goal.latency_bad_seconds) == (0.999, 0.05)
    assert goal.throughput_bits_per_second == 1e8
    assert page.get(f"/tests/{test.id}/health-goal/").context["form"]["latency_bad"].value() == 50.0
    page.post(f"/tests/{test.id}/health-goal/clear/")
    assert not HealthGoal.objects.exists()


def test_what_cannot_be_a_goal_is_said_at_its_field(page, paths):
    path = f"/tests/{paths['calm'].test_id}/health-goal/"
    answer = page.post(path, fill(availability="80", latency_bad="4"))
    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == {"availability", "latency_bad"}
    assert not HealthGoal.objects.exists()


def test_a_preset_fills_the_form(page, paths):
    form = page.get(f"/tests/{paths['calm'].test_id}/health-goal/?preset=satellite").context["form"]
    assert form["latency_good"].value() == 650.0


def test_the_grade_of_a_full_path_stands_beside_the_score(page, db):
    assignment = make_assignment(
        make_client("host"), kind="http_throughput", target="http://192.0.2.1/"
    )
    make_result(assignment, document={"grade": "C"})
    quality = page.get(f"/health/assignments/{assignment.id}/").context["quality"]
    assert quality.grade.letter == "C"


def test_without_anything_the_page_says_what_to_do(page):
    assert "No client has a test" in read(page, "/health/")
    assert not HealthScore.objects.exists()
