"""Two sites with a client each, every name hostile, every page with something to show."""

from dataclasses import dataclass
from datetime import timedelta

from apps.clients.models import Client, EnrolmentToken
from apps.clients.services import apply_inventory, issue_enrolment_token
from apps.core.clock import read_now
from apps.metrics.services import NewFrame, hash_layout, know_layout, know_source, record_frames
from apps.tests.models import Assignment, Result, Run, Test
from tests.factories.clients import INVENTORY, make_client, make_key, make_site
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

    @property
    def test(self) -> Test:
        return self.assignment.test

    @property
    def names(self) -> tuple[str, ...]:
        return (self.client.name, self.test.name, self.token.name)

    @property
    def arguments(self):
        """What a path of this corner's objects needs, by the name of the argument."""
        return {
            "client_id": self.client.id,
            "test_id": self.test.id,
            "run_id": self.run.id,
            "token_id": self.token.id,
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
    token, _secret = issue_enrolment_token(name=f"{HOSTILE}{site}-token", site=make_site(site))
    return Corner(client, assignment, run, result, token)


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


def note_last(assignment, result):
    assignment.last_run_at = read_now() - timedelta(seconds=5)
    assignment.last_run_state = "finished"
    assignment.last_is_success = result.is_success
    assignment.last_reason = result.reason
    assignment.last_values = result.values
    assignment.save()
