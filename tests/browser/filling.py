"""Hosts whose disks fill, over sixty days, with the forecasts that a worker would have made."""

import numpy as np

from apps.accounts.services import Grant, create_user
from apps.core.clock import read_now
from apps.ml.services.forecasting import make_forecasts
from apps.tests.models import Assignment
from tests.factories.clients import make_client
from tests.factories.forecasts import LINK, MEMORY, add_hours
from tests.factories.tests import make_assignment

DAYS = 60
HOURS = np.arange(DAYS * 24)
EMPTIED_AT_HOUR = 20 * 24
NEW_HOURS = 30


def fill(name, password):
    """An administrator of that name, a host of sixty days, one of thirty hours, one test."""
    create_user(username=name, password=password, grants=[Grant("admin")])
    now = read_now()
    generator = np.random.default_rng(60)
    noise = generator.normal(0, 1, len(HOURS))
    wave = np.sin(2 * np.pi * HOURS / 24)
    host = make_client("store-1", presence="online", presence_since=now, last_heartbeat_at=now)
    grown = 0.35 + 0.0095 / 24 * HOURS + 0.004 * wave + 0.003 * noise
    grown[EMPTIED_AT_HOUR:] -= 0.2
    add_hours(host, grown.tolist(), subject="/var")
    nearly = 0.62 + 0.006 / 24 * HOURS + 0.002 * noise
    add_hours(host, nearly.clip(0, 1).tolist(), subject="/srv/archive")
    add_hours(host, (0.41 + 0.002 * noise).tolist(), subject="/")
    memory = 0.55 + 0.08 * wave + 0.03 * noise
    add_hours(host, memory.tolist(), kind="host", subject="", key=MEMORY)
    link = (0.25 + 0.2 * wave + 0.0015 / 24 * HOURS + 0.05 * noise).clip(0, 1)
    add_hours(host, link.tolist(), kind="interface", subject="eth0", key=LINK)
    new = make_client("store-2", presence="online", presence_since=now, last_heartbeat_at=now)
    add_hours(new, grown[:NEW_HOURS].tolist(), subject="/var")
    measure(host, 0.012 + 0.004 * wave + 0.001 * np.abs(noise))
    list(make_forecasts(now=now, since=now))


def measure(host, round_trips):
    assignment = make_assignment(host, "Gateway", target="192.0.2.1")
    source = add_hours(
        host,
        round_trips.tolist(),
        kind="assignment",
        subject=str(assignment.id),
        key="net.rtt.median",
    )
    Assignment.objects.filter(id=assignment.id).update(source=source)
