"""Two sites with a client each, every name hostile, every page with something to show."""

from dataclasses import dataclass
from datetime import timedelta

from apps.accounts.models import Invitation, User
from apps.accounts.services import Grant, create_user, invite
from apps.accounts.services.invitations import note_mail
from apps.clients.models import Client, EnrolmentToken, MaintenanceWindow
from apps.clients.services import apply_inventory, issue_enrolment_token
from apps.core.clock import read_now
from apps.jobs.models import Job
from apps.metrics.services import (
    DOCUMENT_KINDS,
    NewDocument,
    NewFrame,
    hash_layout,
    know_layout,
    know_source,
    record_document,
    record_frames,
)
from apps.ml.models import Diagnosis, Feedback, Finding, Forecast, ModelVersion
from apps.ml.services.diagnosing import diagnose_run
from apps.reports.models import Export, Report
from apps.tests.models import Assignment, Result, Run, Test
from tests.factories.clients import INVENTORY, make_client, make_key, make_site
from tests.factories.exports import make_export
from tests.factories.findings import make_finding
from tests.factories.forecasts import make_forecast
from tests.factories.health import WHY, make_score
from tests.factories.jobs import make_job
from tests.factories.learning import make_training, make_version
from tests.factories.maintenance import make_window, select
from tests.factories.reports import make_plan, make_report
from tests.factories.tests import make_assignment, make_result

HOSTILE = "<img src=x onerror=alert(1)>"
HOST_KEYS = ("system.cpu.utilization", "system.memory.utilization", "system.uptime")


@dataclass(frozen=True, slots=True)
class Corner:
    """All there is at one site."""

    client: Client
    assignment: Assignment
    run: Run
    result: Result
    token: EnrolmentToken
    person: User
    invitation: Invitation
    window: MaintenanceWindow
    job: Job
    diagnosis: Diagnosis
    version: ModelVersion
    forecast: Forecast
    finding: Finding
    export: Export
    report: Report

    @property
    def test(self) -> Test:
        return self.assignment.test

    @property
    def names(self) -> tuple[str, ...]:
        return (self.client.name, self.test.name, self.token.name, self.window.name)

    @property
    def arguments(self):
        """What a path of this corner's objects needs, by the name of the argument."""
        return {
            "client_id": self.client.id,
            "test_id": self.test.id,
            "run_id": self.run.id,
            "assignment_id": self.assignment.id,
            "token_id": self.token.id,
            "site_id": self.client.site_id,
            "tag_id": self.client.tags.get().id,
            "prefix": self.client.keys.first().prefix,
            # Nobody's: what users have of their own lies at no site.
            "session_id": 0,
            "quota_id": 0,
            "public_id": "00000000",
            "user_id": self.person.id,
            "role_id": self.person.roles.get().id,
            "invitation_id": self.invitation.id,
            "window_id": self.window.id,
            "job_id": self.job.id,
            "diagnosis_id": self.diagnosis.id,
            "version_id": self.version.id,
            "forecast_id": self.forecast.id,
            "finding_id": self.finding.id,
            "export_id": self.export.id,
            "plan_id": self.report.plan_id,
            "report_id": self.report.id,
            "delivery_id": self.report.deliveries.get().id,
            "deed": "end-sessions",
            "metric": "system.cpu.utilization",
        }


@dataclass(frozen=True, slots=True)
class Scene:
    vienna: Corner
    graz: Corner


def build_scene(now):
    return Scene(build_corner("vienna", now), build_corner("graz", now))


def build_corner(site, now):
    client = make_client(
        f"{HOSTILE}{site}-client",
        site=site,
        tags=[f"{site}-tag"],
        presence="online",
        presence_since=now,
        last_heartbeat_at=now,
        last_address=HOSTILE,
        agent_version="<i>0.1</i>",
    )
    apply_inventory(client=client, inventory=describe_hostile_host())
    make_key(client)
    record_host_frame(client, now)
    record_documents(client, now)
    assignment = make_assignment(client, f"{HOSTILE}{site}-test", target=f"{site}.example.com")
    result = make_result(
        assignment,
        is_success=False,
        reason=HOSTILE,
        method=HOSTILE,
        facts={HOSTILE: HOSTILE},
        absent={"net.jitter.rfc3550": "I"},
        document={HOSTILE: [HOSTILE, "</script><script>alert(1)</script>"]},
    )
    run = result.run
    Run.objects.filter(id=run.id).update(reason=HOSTILE, started_at=now, finished_at=now)
    note_last(assignment, result)
    make_score(client=client, score=40, deductions=[])
    make_score(assignment=assignment, pillars={"performance": 40.0}, deductions=WHY)
    token, _secret = issue_enrolment_token(name=f"{HOSTILE}{site}-token", site=make_site(site))
    person, invitation = build_person(site)
    window = make_window(f"{HOSTILE}{site}-window", selector=select(sites=[site]))
    job = make_job(f"{HOSTILE}{site}"[:64], state="dead", error=HOSTILE, note=HOSTILE, key=HOSTILE)
    version = make_hostile_model(client)
    forecast = make_forecast(client, subject=HOSTILE)
    diagnosis = make_hostile_diagnosis(run)
    finding = make_hostile_finding(run, person)
    export = make_export(person, filters={"q": [HOSTILE], "site": [site]})
    return Corner(
        client,
        assignment,
        run,
        result,
        token,
        person,
        invitation,
        window,
        job,
        diagnosis,
        version,
        forecast,
        finding,
        export,
        make_hostile_report(person, site),
    )


def make_hostile_report(person, site):
    plan = make_plan(person, f"{HOSTILE}{site}-report", selector=select(sites=[site]))
    return make_report(plan, verdict=HOSTILE, error=HOSTILE)


def make_hostile_diagnosis(run):
    """What a hostile agent's texts make of an answer."""
    diagnosis = diagnose_run(run, asked_by=None)
    diagnosis.verdicts = [
        {
            "cause": HOSTILE,
            "layer": HOSTILE,
            "priority": 9,
            "confidence": 0.5,
            "recommendation": HOSTILE,
            "explained_by": HOSTILE,
            "explains": [],
            "evidence": [{"sentence": HOSTILE, "metric": HOSTILE, "value": 1.0, "usual": None}],
        }
    ]
    diagnosis.cause = HOSTILE[:32]
    diagnosis.not_judged = [{"cause": HOSTILE, "missing": HOSTILE}]
    diagnosis.save()
    return diagnosis


def make_hostile_finding(run, person):
    """Of figures, channels and words that nobody knows."""
    known = {"subject": "net.rtt.median", "points": 20.0, "value": 0.5, "low": 0.1, "high": 0.2}
    finding = make_finding(
        run.assignment.client,
        "joint_anomaly",
        test=run.assignment.test,
        source=run.assignment.source,
        run=run,
        cause=HOSTILE,
        evidence={"contributions": [{**known, "subject": HOSTILE}, known]},
    )
    Feedback.objects.create(
        finding=finding,
        verdict="other_cause",
        cause=HOSTILE,
        note=HOSTILE,
        said_by=person,
        said_at=read_now(),
    )
    return finding


def make_hostile_model(client):
    make_training(client=client, kind=HOSTILE, trigger="<b>", decision=HOSTILE)
    version = make_version(
        client=client,
        kind=HOSTILE,
        state="champion",
        features=[HOSTILE],
        decision=HOSTILE,
        library_version=HOSTILE,
    )
    version.metrics["figures"] = {HOSTILE: 0.5}
    version.drift = {"rows": 500, "indices": {HOSTILE: 0.3}, "is_drifted": True}
    version.save()
    return version


def build_person(site):
    """Somebody of that site with a hostile name, and an invitation from them."""
    role = Grant("viewer", site_slug=site)
    person = create_user(username=f"{site}-user", first_name=HOSTILE, grants=[role])
    address = f"{site}-guest@example.org"
    invitation, _secret = invite(email=address, grants=[role], invited_by=person)
    note_mail(digest=invitation.digest, fault=HOSTILE)
    return person, invitation


def describe_hostile_host():
    return {
        **INVENTORY,
        "hostname": HOSTILE,
        "cpu_model": HOSTILE,
        "kernel": HOSTILE,
        "disks": [
            {"device": HOSTILE, "mount_point": HOSTILE, "file_system": HOSTILE, "total_bytes": "x"}
        ],
        "interfaces": [{"name": HOSTILE, "addresses": [HOSTILE], "mac_address": HOSTILE}],
        "capabilities": {
            HOSTILE: {"is_available": False, "reason": HOSTILE, "remedy": HOSTILE},
        },
    }


def record_host_frame(client, now):
    for kind, subject, keys in (
        ("host", "", HOST_KEYS),
        ("filesystem", HOSTILE, ("system.filesystem.utilization",)),
        ("interface", HOSTILE, ("system.network.io.rate{direction=receive}",)),
    ):
        frame = NewFrame(
            source_id=know_source(client.id, kind, subject),
            source_kind=kind,
            source_subject=subject,
            at=now,
            seq=1,
            layout=know_layout(hash_layout(keys), list(keys)),
            values=tuple(0.5 for _key in keys),
            absent=None,
        )
        record_frames(client_id=client.id, frames=[frame], received_at=now)


def record_documents(client, now):
    """Every field of the tables hostile, or of another type than it should be."""
    texts = ("name", "user", "state", "command", "started_at", "direction", "protocol", "process")
    row = dict.fromkeys((*texts, "local_address", "remote_address"), HOSTILE)
    body = {
        "total": HOSTILE,
        "states": {HOSTILE: 1},
        "missing": [{"code": HOSTILE, "what": HOSTILE, "remedy": HOSTILE}, HOSTILE],
        "rows": [{**row, "pid": 7, "states": {HOSTILE: 2}}, HOSTILE, {"pid": HOSTILE}, {}],
        "left_out": 3,
    }
    for kind in DOCUMENT_KINDS:
        document = NewDocument(know_source(client.id, kind, ""), kind, now, body)
        record_document(client_id=client.id, document=document, received_at=now)


def note_last(assignment, result):
    assignment.last_run_at = read_now() - timedelta(seconds=5)
    assignment.last_run_state = "finished"
    assignment.last_is_success = result.is_success
    assignment.last_reason = result.reason
    assignment.last_values = result.values
    assignment.save()
