"""Many rows of every kind that lists show, around one client, test and user of each kind."""

from dataclasses import dataclass

from apps.accounts.models import User
from apps.accounts.policy import Permission
from apps.accounts.services import Grant, invite
from apps.clients.models import Client
from apps.core.clock import read_now
from apps.jobs.models import Job
from apps.metrics.services import NewDocument, know_source, record_document
from apps.reports.models import Report
from apps.reports.selectors.exports import describe_scope
from apps.tests.models import Assignment, Quota
from tests.dashboard.scene import note_last, record_host_frame
from tests.factories.accounts import grant, make_session, make_token, make_user
from tests.factories.clients import make_client, make_enrolment, make_key
from tests.factories.exports import make_export
from tests.factories.findings import make_diagnosis, make_finding
from tests.factories.forecasts import make_forecast
from tests.factories.health import make_score
from tests.factories.jobs import make_job
from tests.factories.learning import make_training, make_version
from tests.factories.maintenance import make_window, select
from tests.factories.reports import make_plan, make_report
from tests.factories.tests import make_assignment, make_result, make_test


@dataclass(frozen=True, slots=True)
class Centre:
    """What the crowd is of: the lists inside its pages grow as well."""

    assignment: Assignment
    owner: User
    person: User

    @property
    def client(self) -> Client:
        return self.assignment.client


def add_crowd(centre: Centre, numbers: range) -> None:
    """For each number a row of everything; names hold the number, so no two calls may share one."""
    for number in numbers:
        add_people(centre, number)
        add_measurements(centre, add_client(centre, number), number)
    clients = Client.objects.filter(name__startswith="crowd")
    make_test(f"shared-{numbers.stop}", *clients)
    show_documents(centre.client, rows=numbers.stop)


def hand_out_reports(person: User) -> None:
    """As if they were made with the rights that the person has by now."""
    scope = describe_scope(person, Permission.VIEW)
    Report.objects.filter(plan__owner=person).update(scope=scope)


def add_people(centre: Centre, number: int) -> None:
    site = centre.client.site.slug
    grant(make_user(f"crowd-{number}", "viewer", site=site), "operator", tag=f"tag-{number}")
    grant(centre.person, "viewer", site=f"site-{number}")
    hand_out_reports(User.objects.get(pk=centre.person.pk))
    grants = [Grant("viewer", site_slug=site), Grant("operator")]
    invite(email=f"crowd-{number}@example.org", grants=grants, invited_by=centre.owner)
    make_report(make_plan(centre.owner, f"crowd-{number}"))
    make_report(Report.objects.order_by("created_at").first().plan)
    make_token(centre.owner, "read")
    make_export(centre.owner)
    make_session(centre.owner)
    for state in Job.State.values:
        make_job(key=f"{state}-{number}", state=state, requested_by=centre.person)


def add_client(centre: Centre, number: int) -> Client:
    """A client of the centre's site, and one of a site and a tag of its own."""
    now = read_now()
    fields = {"presence_since": now, "last_heartbeat_at": now, "agent_version": f"0.{number}"}
    tags = [tag.slug for tag in centre.client.tags.all()]
    site = centre.client.site.slug
    presence = "online" if number % 2 else "offline"
    client = make_client(f"crowd-{number:03}", site=site, tags=tags, presence=presence, **fields)
    tag = f"tag-{number}"
    away = make_client(f"away-{number:03}", site=f"site-{number}", tags=[tag], **fields)
    make_enrolment(name=f"crowd-{number}", site=client.site, tags=list(client.tags.all()))
    make_window(f"crowd-{number}", selector=select(clients=[client], sites=[site], tags=[tag]))
    Quota.objects.create(scope="client", client=client, tests=100)
    make_key(centre.client)
    make_training(client=client, result=make_version(client=client, state="champion"))
    make_version(client=client, trained_by=centre.owner)
    make_finding(client)
    make_finding(centre.client, "joint_anomaly", test=centre.assignment.test)
    make_diagnosis(centre.client, cause="lan")
    make_forecast(client)
    make_forecast(centre.client, subject=f"/crowd-{number}")
    record_host_frame(client, now)
    record_host_frame(away, now)
    return client


def add_measurements(centre: Centre, client: Client, number: int) -> None:
    """Results of the centre's run, of its client's other tests, and of its test elsewhere."""
    make_result(centre.assignment, is_success=number % 2 == 0)
    shared = Assignment.objects.create(
        test=centre.assignment.test,
        client=client,
        source_id=know_source(client.id, "assignment", f"crowd-{number}"),
        created_at=read_now(),
    )
    own = make_assignment(centre.client, f"own-{number:03}")
    alone = make_assignment(client, f"alone-{number:03}")
    for assignment, is_success in ((shared, True), (own, True), (alone, False)):
        note_last(assignment, make_result(assignment, is_success=is_success))
        make_score(assignment=assignment)
    make_score(client=client)


def show_documents(client: Client, *, rows: int) -> None:
    now = read_now()
    for kind in ("processes", "connections"):
        body = {"total": rows, "rows": [{"pid": pid, "name": f"p{pid}"} for pid in range(rows)]}
        document = NewDocument(know_source(client.id, kind, ""), kind, now, body)
        record_document(client_id=client.id, document=document, received_at=now)
