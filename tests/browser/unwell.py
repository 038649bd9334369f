"""Two sites with paths that fare differently, scored over a day, for a server of a test."""

from datetime import timedelta

from apps.accounts.services import Grant, create_user
from apps.clients.models import Client
from apps.core.clock import read_now
from apps.ml.services.health import refresh_health
from apps.tests.models import Assignment, Result, Run
from tests.factories.clients import make_client
from tests.factories.tests import make_assignment, make_run

EVERY = timedelta(minutes=10)
RUNS = 24 * 6
BAD_RUNS = 24
FINE = {"net.rtt.p95": 0.02, "net.jitter.rfc3550": 0.001, "net.packet.loss.ratio": 0.0}
LOSSY = {**FINE, "net.packet.loss.ratio": 0.02}
PAGE = {"http.client.request.duration": 0.9, "http.apdex": 0.82}
KINDS = (
    ("vienna", "gateway", "Ping the gateway", "ping", "192.0.2.1", FINE, LOSSY),
    ("vienna", "gateway", "Page of the shop", "http", "http://192.0.2.2/", PAGE, PAGE),
    ("vienna", "shop", "Ping the head office", "ping", "192.0.2.3", FINE, FINE),
    ("graz", "office", "Ping the resolver", "ping", "192.0.2.4", FINE, None),
    (None, "laptop", "Ping from home", "ping", "192.0.2.5", FINE, FINE),
)


def fill(name, password):
    """The ids of the client that loses packets and of its test's assignment."""
    create_user(username=name, password=password, grants=[Grant("admin")])
    now = read_now()
    paths = [prepare(*row[:5]) for row in KINDS]
    make_assignment(
        make_online("silent", "graz"), "Never ran", target="192.0.2.9", every_seconds=600.0
    )
    for number in range(RUNS):
        at = now - (RUNS - number) * EVERY
        for assignment, (*_names, fine, bad) in zip(paths, KINDS, strict=True):
            values = bad if RUNS - number <= BAD_RUNS else fine
            measure(assignment, at, values)
        if number % 6 == 0:
            refresh_health(now=at + timedelta(seconds=30))
    refresh_health(now=now)
    return paths[0].client_id, paths[0].id


def prepare(site, host, name, kind, target):
    client = Client.objects.filter(name=host).first() or make_online(host, site)
    return make_assignment(client, name, kind=kind, target=target, every_seconds=600.0)


def make_online(host, site):
    now = read_now()
    return make_client(
        host, site=site, presence="online", presence_since=now, last_heartbeat_at=now
    )


def measure(assignment, at, values):
    """A run that found those values; without any, it found nothing."""
    run = make_run(assignment, start_at=at, end_at=at, state=Run.State.FINISHED)
    Result.objects.create(
        run=run,
        received_at=at,
        started_at=at,
        finished_at=at,
        outcome=Result.Outcome.COMPLETED,
        is_success=values is not None,
        values=values or {},
    )
    Assignment.objects.filter(id=assignment.id).update(
        last_run_at=at, last_is_success=values is not None, last_values=values or {}
    )
