"""One of each kind of object, and the routes with their ids in."""

import re

from apps.accounts.models import AuditEntry, Token
from apps.accounts.services import Grant, invite
from apps.clients.models import EnrolmentToken
from apps.ml.services.diagnosing import diagnose_run
from apps.tests.models import Quota
from tests.factories.accounts import make_session, make_token, make_user
from tests.factories.clients import make_client, make_enrolment, make_key, make_site, make_tag
from tests.factories.exports import make_export
from tests.factories.findings import make_finding
from tests.factories.forecasts import make_forecast
from tests.factories.health import make_score
from tests.factories.jobs import make_job
from tests.factories.learning import make_training, make_version
from tests.factories.maintenance import make_window, select
from tests.factories.pictures import make_picture
from tests.factories.reports import make_plan, make_report
from tests.factories.tests import make_assignment, make_result

# The first word that a route contains says what its id is of.
PLACES = (
    ("password/<", "secret"),
    ("reports/files/", "report"),
    ("reports/deliveries/", "delivery"),
    ("api/v1/reports/", "report"),
    ("report", "report_plan"),
    ("label/<", "label"),
    ("maintenance", "maintenance"),
    ("invitation", "invitation"),
    ("quota", "quota"),
    ("exports/<str", "download"),
    ("export", "export"),
    ("job", "job"),
    ("diagnoses/<", "diagnosis"),
    ("findings/<", "finding"),
    ("models/", "model"),
    ("trainings/", "training"),
    ("session", "session"),
    ("enrolment", "enrolment"),
    ("enrol/", "enrolment"),
    ("client", "client"),
    ("test", "test"),
    ("assignment", "assignment"),
    ("run", "run"),
    ("result", "run"),
    ("site", "site"),
    ("tag", "tag"),
    ("token", "token"),
    ("user", "user"),
    ("audit", "audit"),
    ("kind", "kind"),
    ("metric", "metric"),
    ("health", "health"),
    ("forecast", "forecast"),
)


def make_objects(site):
    """The ids of objects at that site, by kind; `key` is the client's."""
    tag = make_tag(f"tag-{site}")
    probe = make_client(f"probe-{site}", site=site, tags=[tag.slug])
    result = make_result(make_assignment(probe, f"test-{site}"))
    make_enrolment(name=f"enrolment-{site}", site=make_site(site))
    owner = make_user(f"owner-{site}", "admin")
    secret = make_token(owner, "read")
    invitation, _secret = invite(
        email=f"{site}@example.org", grants=[Grant("viewer", site_slug=site)], invited_by=owner
    )
    report = make_report(
        make_plan(owner, f"report-{site}", selector=select(sites=[site]), logo=make_picture())
    )
    return {
        "client": probe.id,
        "report": report.id,
        "report_plan": report.plan_id,
        "delivery": report.deliveries.get().id,
        "test": result.run.assignment.test_id,
        "assignment": result.run.assignment_id,
        "run": result.run_id,
        "site": make_site(site).id,
        "tag": tag.id,
        "token": Token.objects.get(user=owner).token_key,
        "enrolment": EnrolmentToken.objects.get(name=f"enrolment-{site}").id,
        "user": owner.id,
        "invitation": invitation.id,
        "audit": AuditEntry.objects.first().id,
        "kind": "ping",
        "label": "client",
        "metric": "net.rtt.median",
        "health": make_score(client=probe).id,
        "maintenance": make_window(f"window-{site}", selector=select(clients=[probe])).id,
        "forecast": make_forecast(probe).id,
        "quota": Quota.objects.create(scope="client", client=probe, tests=100).id,
        "job": make_job(state="dead").id,
        "download": "runs.csv",
        "export": make_export(owner, content=b"run").id,
        "diagnosis": diagnose_run(result.run, asked_by=None).id,
        "finding": make_finding(probe, "joint_anomaly").id,
        "model": make_version(client=probe, kind=f"model_{site}").id,
        "training": make_training(client=probe).id,
        "key": make_key(probe),
        "secret": secret,
        "session": make_session(owner).id,
    }


def fill(route, objects):
    """The path of a route with the id of the object that it is about."""
    if "<" not in route:
        return f"/{route}"
    route = route.replace("<str:prefix>", str(objects["key"]).partition(".")[0])
    kind = next(name for word, name in PLACES if word in route)
    return "/" + re.sub(r"<[^>]+>", str(objects[kind]), route)
