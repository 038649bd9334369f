"""The admin: every list opens, only for administrators, and shows no secret."""

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.core.management import call_command
from django.test import Client as Browser

from apps.accounts.models import AuditCheck, AuditEntry, AuditHead, SetupCode, User
from apps.accounts.services import Grant, invite, issue_password_link, verify_audit
from apps.accounts.services.bearers import issue_pair
from apps.accounts.services.lockout import note_failure
from apps.clients.models import Client, Site, Tag
from apps.core.clock import EPOCH, read_now
from apps.metrics.models import BatchMark, IngestBatch
from apps.metrics.services import is_clock_steady
from apps.metrics.services.rollups import sort_known_arrivals
from apps.metrics.writers import note_kept_frames
from apps.ml.models import Feedback, JudgingMark, ModelVersion, SeriesState, SeriesWatch
from apps.ml.selectors.goals import GoalChange
from apps.ml.services.diagnosing import diagnose_run
from apps.ml.services.health import refresh_health, set_goal
from apps.reports.models import DayTally, Report, TallyClock
from apps.tests.algorithms.quotas import Limits
from apps.tests.models import Calendar, Reservation
from apps.tests.services import plan_runs
from apps.tests.services.quotas import set_quota
from apps.tests.services.selection import keep_time
from tests.accounts.admin_pages import address
from tests.factories import wire
from tests.factories.accounts import make_token, make_user
from tests.factories.clients import (
    INVENTORY,
    make_client,
    make_enrolment,
    make_key,
)
from tests.factories.exports import make_export
from tests.factories.findings import make_finding
from tests.factories.forecasts import make_forecast
from tests.factories.jobs import make_job
from tests.factories.kept import keep_rows
from tests.factories.learning import make_training, make_version
from tests.factories.maintenance import make_window
from tests.factories.reports import make_plan, make_report
from tests.factories.tests import make_assignment, make_result

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
# Their digests are seals, and there to be compared.
SEALED = {AuditEntry, AuditHead, AuditCheck, ModelVersion, Report}
OWN_APPS = {"accounts", "jobs", "clients", "metrics", "tests", "ingest", "reports"}
# Django's admin takes no model with a composite primary key.
NEVER_REGISTERED = {"metrics.Frame", "metrics.HourStrip", "metrics.Rollup"}


@pytest.fixture
def boss(client):
    client.force_login(make_user("boss", "admin", is_staff=True))
    return client


def watch_series(client):
    source = client.sources.first()
    SeriesWatch.objects.create(
        source=source, is_watched=True, judged_until=EPOCH, stored_until=EPOCH
    )
    SeriesState.objects.create(source=source, metric="x", values_count=1, state=b"x")


def find_something(client):
    finding = make_finding(client, evidence={"value": "<script>alert(1)</script>"})
    Feedback.objects.create(
        finding=finding,
        said_by=make_user("doubter", "operator"),
        verdict=Feedback.Verdict.NOT_A_PROBLEM,
        note="<img src=x onerror=alert(1)>",
        said_at=read_now(),
    )


def judge(result):
    diagnose_run(result.run, asked_by=None)
    set_goal(result.run.assignment.test, GoalChange(0.99, 0.05, 0.4, 0.005, 0.1))
    refresh_health(now=read_now())
    JudgingMark.objects.create(kind="joint_anomaly", judged_until=EPOCH)


@pytest.fixture(scope="module")
def everything(django_db_setup, django_db_blocker):
    with keep_rows(django_db_blocker):
        make_everything()
        yield


def make_everything():
    """At least one row of each model."""
    probe = make_client(site="vienna", tags=["edge"])
    result = make_result(make_assignment(probe))
    Calendar.objects.create(client=probe)
    moments = {"start_at": result.started_at, "end_at": result.finished_at}
    Reservation.objects.create(run=result.run, client=probe, **moments)
    make_enrolment()
    make_window("<script>alert(1)</script>")
    make_token(make_user("ann", "viewer"))
    hostile = wire.fact("<script>alert(1)</script>", "<img src=x onerror=alert(1)>")
    old = wire.frame(at="2000-01-01T00:00:00Z")
    inventory = wire.record("inventory", INVENTORY)
    seen = {"rows": [{"name": "<script>alert(1)</script>"}]}
    processes = {"source": {"kind": "processes", "subject": ""}, "document": seen}
    processes = wire.record("processes", processes)
    wire.send(Browser(), make_key(probe), wire.frame(), hostile, old, inventory, processes)
    plan_runs()
    make_job(state="dead")
    make_training(client=probe, result=make_version(client=probe))
    make_forecast(probe)
    make_report(make_plan(User.objects.get(username="ann"), "<script>alert(1)</script>"))
    watch_series(probe)
    judge(result)
    find_something(probe)
    TallyClock.objects.create(kept_until=EPOCH, looked_at=EPOCH)
    DayTally.objects.create(assignment=result.run.assignment, day=EPOCH, good=1, bad=0, unknown=0)
    note_kept_frames(EPOCH)
    sort_known_arrivals(read_now())
    note_kept_frames(EPOCH)
    is_clock_steady(read_now())
    set_quota(scope="client", client=probe, limits=Limits(tests=20))
    keep_time(read_now())
    BatchMark.objects.create(batch=IngestBatch.objects.get(), consumer="test")
    SetupCode.objects.create(digest="0" * 64, created_at=read_now())
    call_command("sync_schedules", verbosity=0)
    ann = User.objects.get(username="ann")
    make_export(ann)
    invite(email="eve@example.org", grants=[Grant("viewer")], invited_by=ann)
    issue_password_link(user=ann)
    verify_audit()
    EmailAddress.objects.create(user=ann, email="ann@example.org")
    Authenticator.objects.create(user=ann, type="totp", data={"secret": "ORSXG5A"})
    note_failure(username="ann", address="192.0.2.1")
    issue_pair(user=ann)
    UserSession.objects.create(user=ann, ip="192.0.2.1", session_key="k" * 32, user_agent="x")


def test_every_model_of_ours_is_there():
    from django.apps import apps

    own = {model._meta.label for model in apps.get_models() if model._meta.app_label in OWN_APPS}
    registered = {model._meta.label for model in MODELS}
    assert own - registered == NEVER_REGISTERED


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
@pytest.mark.usefixtures("everything")
def test_every_list_opens_and_can_be_searched(model, boss):
    answer = boss.get(address(model))
    assert answer.status_code == 200
    assert b"<script>alert" not in answer.content
    assert b"<img src=x" not in answer.content
    assert admin.site._registry[model].search_fields
    assert boss.get(address(model), {"q": "2026"}).status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
@pytest.mark.usefixtures("everything")
def test_every_row_opens_and_shows_no_secret(model, boss):
    row = model._default_manager.first()
    answer = boss.get(address(model, "change", row.pk))
    assert answer.status_code == 200
    page = answer.content.decode()
    secrets = [str(getattr(row, name, "")) for name in ("token_key", "session_key")]
    secrets += [] if model in SEALED else [str(getattr(row, "digest", ""))]
    # A token's address holds its digest, its form does not.
    form = page.replace(address(model, "change", row.pk), "").replace(str(row.pk), "")
    assert not [secret for secret in secrets if secret and secret in form]
    assert "ORSXG5A" not in page


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_no_list_opens_for_anybody_else(model, client):
    assert client.get(address(model)).status_code == 302
    client.force_login(make_user("viewer", "viewer"))
    assert client.get(address(model)).status_code in {302, 403}
    client.force_login(make_user("staff", "operator", is_staff=True))
    assert client.get(address(model)).status_code == 403
    client.force_login(make_user("local", "admin", site="vienna", is_staff=True))
    assert client.get(address(model)).status_code == 403


def test_whoever_is_not_signed_in_is_sent_to_our_own_page(client):
    make_user("boss", "admin")
    answer = client.get("/admin/", follow=True)
    assert answer.redirect_chain[-1][0].startswith("/accounts/login/")


EDITED = {User, Site, Tag, Client}


@pytest.mark.parametrize(
    "model", [model for model in MODELS if model not in EDITED], ids=lambda model: model._meta.label
)
@pytest.mark.usefixtures("everything")
def test_what_the_program_writes_cannot_be_written_by_hand(model, boss):
    assert boss.get(address(model, "add")).status_code == 403
    row = model._default_manager.first()
    if row is not None:
        assert boss.post(address(model, "change", row.pk), {}).status_code == 403
