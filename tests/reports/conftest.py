from datetime import timedelta

import pytest

from apps.configuration.services import store_settings
from apps.core.clock import read_now
from apps.metrics.algorithms.tiers import HOUR_SECONDS, floor_moment
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.forecasts import add_hours
from tests.factories.tests import make_assignment, make_result, make_run
from tests.servers.mail import run_post


@pytest.fixture
def owner(db):
    owner = make_user("olga", "operator")
    owner.email = "olga@example.org"
    owner.save()
    return owner


@pytest.fixture
def now():
    return read_now().replace(minute=30, second=0, microsecond=0)


@pytest.fixture
def post(db):
    """A real SMTP server that the settings name."""
    with run_post() as post:
        store_settings(
            values={
                "smtp_server": "127.0.0.1",
                "smtp_port": post.port,
                "smtp_security": "none",
                "mail_sender": "swarm@example.org",
            }
        )
        yield post


def measure(assignment, now, verdicts, *, every=timedelta(hours=1)):
    """A run an hour, the last one just before `now`: True, False, or None for a missed one."""
    count = len(verdicts)
    for place, verdict in enumerate(verdicts):
        at = now - every * (count - place)
        fields = {"start_at": at, "end_at": at + timedelta(seconds=10)}
        if verdict is None:
            make_run(assignment, state="missed", **fields)
            continue
        result = make_result(assignment, is_success=verdict, reason="" if verdict else "no reply")
        for name, value in fields.items():
            setattr(result.run, name, value)
        result.run.save()


@pytest.fixture
def network(db, now):
    """A client with a good and a bad test, and a day of latencies of the bad one."""
    client = make_client("vienna-1", site="vienna", tags=["edge"])
    good = make_assignment(client, "Gateway")
    bad = make_assignment(client, "Shop")
    measure(good, now, [True] * 24)
    measure(bad, now, [True] * 10 + [False] * 3 + [True] * 7 + [None] * 4)
    source = add_hours(
        client,
        [0.01] * 24,
        kind="assignment",
        subject=str(bad.id),
        key="net.rtt.median",
        newest=floor_moment(now, HOUR_SECONDS) - timedelta(hours=1),
    )
    bad.source = source
    bad.save()
    return {"client": client, "good": good, "bad": bad}
