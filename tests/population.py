"""A server that has been in use: sites, tags, clients, tests and what they measured.

Everything is made by the services, as people and agents would make it; only the number is large.

benchmarks/measuring/population.py fills the server of another process with it.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import transaction

from apps.clients.models import Client
from apps.clients.services import (
    Heartbeat,
    create_site,
    create_tag,
    enrol_client,
    issue_enrolment_token,
    record_heartbeat,
)
from apps.core.clock import read_now
from apps.ingest.codec import decode_batch
from apps.ingest.services import store_batch
from apps.tests.algorithms.slots import derive_run_id
from apps.tests.models import Assignment, Test
from apps.tests.services import TestDefinition, create_test
from tests.factories import wire
from tests.factories.clients import INVENTORY

CITIES = (
    ("amsterdam", 52.37, 4.9),
    ("berlin", 52.52, 13.4),
    ("chicago", 41.88, -87.63),
    ("dublin", 53.35, -6.26),
    ("frankfurt", 50.11, 8.68),
    ("hamburg", 53.55, 9.99),
    ("london", 51.51, -0.13),
    ("madrid", 40.42, -3.7),
    ("paris", 48.86, 2.35),
    ("vienna", 48.21, 16.37),
)
TAG_NAMES = ("core", "edge", "office", "store", "datacentre")
KINDS = (
    ("ping", "192.0.2.{}", {}),
    ("tcp", "192.0.2.{}", {"port": 443}),
    ("http", "http://192.0.2.{}/", {}),
    ("dns", "192.0.2.{}", {"name": "example.org"}),
)
HOST_KEYS = (
    "system.cpu.utilization",
    "system.cpu.load_average.1m",
    "system.memory.utilization",
)
INTERVALS_SECONDS = (60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
PING_KEYS = ("net.rtt.median", "net.packet.loss.ratio")
OFFLINE_SHARE = 0.05
FAILED_SHARE = 0.03
FIRST_SLOT = 0


@dataclass(frozen=True, slots=True)
class Population:
    """What was made."""

    client_ids: tuple[UUID, ...]
    test_ids: tuple[UUID, ...]


def populate(*, clients: int, tests: int, with_results: bool = True, seed: int = 1) -> Population:
    """`clients` clients that all run `tests` tests, with a frame of each host and a result."""
    rng = random.Random(seed)  # noqa: S311 - the same population again and again is the point
    with transaction.atomic():
        made = enrol_clients(clients, rng)
    defined = define_tests(tests, made)
    if with_results:
        with transaction.atomic():
            for client in made:
                upload(client, rng)
    return Population(
        client_ids=tuple(client.id for client in made),
        test_ids=tuple(test.id for test in defined),
    )


def enrol_clients(count: int, rng: random.Random) -> Sequence[Client]:
    """Clients spread over the sites, each enrolled by its site's token and heard of once."""
    tags = [create_tag(slug=name, name=name.title()) for name in TAG_NAMES]
    tokens = []
    for slug, latitude, longitude in CITIES:
        site = create_site(slug=slug, name=slug.title(), latitude=latitude, longitude=longitude)
        _token, secret = issue_enrolment_token(
            name=f"roll-out {slug}",
            max_uses=max(count, 1),
            site=site,
            tags=rng.sample(tags, 2),
        )
        tokens.append((slug, secret))
    for number in range(count):
        slug, secret = tokens[number % len(tokens)]
        enrol(number, slug, secret, rng)
    return list(Client.objects.order_by("name"))


def enrol(number: int, site_slug: str, token: str, rng: random.Random) -> None:
    name = f"{site_slug}-{number:04}"
    client = enrol_client(
        token_secret=token,
        name=name,
        agent_version="0.1.0",
        inventory={**INVENTORY, "hostname": f"{name}.example"},
        address=f"10.{number // 65536}.{number // 256 % 256}.{number % 256}",
    ).client
    if rng.random() < OFFLINE_SHARE:
        return
    heartbeat = Heartbeat(
        agent_version="0.1.0",
        boot_id=f"boot-{number}",
        boot_counter=1,
        spool_depth=rng.randrange(3),
        spool_dropped=0,
        clock_offset_seconds=rng.gauss(0, 0.01),
        clock_error_seconds=0.005,
        address=client.last_address,
    )
    record_heartbeat(client=client, heartbeat=heartbeat)


def define_tests(count: int, clients: Sequence[Client]) -> Sequence[Test]:
    """Tests of all kinds in turn, every minute to every hour, on all clients."""
    made = []
    for number in range(count):
        kind, target, parameters = KINDS[number % len(KINDS)]
        definition = TestDefinition(
            name=f"{kind} of service {number:02}",
            kind=kind,
            target=target.format(number + 1),
            duration_seconds=10.0,
            sample_interval_seconds=5.0,
            every_seconds=INTERVALS_SECONDS[number % len(INTERVALS_SECONDS)],
            parameters=parameters,
        )
        made.append(create_test(definition, clients=clients))
    return made


def upload(client: Client, rng: random.Random) -> None:
    """One batch as the client's agent would send it: its host, and the result of its first run."""
    host = (rng.random(), rng.random() * 4, 0.2 + rng.random() * 0.7)
    records = [wire.frame(host, keys=HOST_KEYS, at=read_now() - timedelta(seconds=5))]
    pings = Assignment.objects.filter(client=client, test__kind="ping").select_related("test")
    first = pings.order_by("test__name").first()
    if first is not None:
        # Derived as an agent does that runs its tests before the planner came to them.
        revision = first.test.schedule_revision
        run_id = derive_run_id(str(first.id), revision, FIRST_SLOT)
        values = {"net.rtt.median": rng.uniform(0.001, 0.08), "net.packet.loss.ratio": 0.0}
        result = wire.result(
            first.id,
            run=run_id,
            slot=FIRST_SLOT,
            revision=revision,
            is_success=rng.random() >= FAILED_SHARE,
            values=values,
        )
        records.append(result)
    body = wire.batch(*records, keys=(HOST_KEYS, PING_KEYS))
    answer = store_batch(client_id=client.id, batch=decode_batch(json.dumps(body).encode()))
    if answer.rejected:
        raise RuntimeError(f"the server refused what this made: {answer.rejected[0]}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Fill an empty server through its services.")
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--tests", type=int, default=20)
    arguments = parser.parse_args()
    began, processor_began = time.monotonic(), time.process_time()
    made = populate(clients=arguments.clients, tests=arguments.tests)
    took_seconds = time.monotonic() - began
    busy_seconds = time.process_time() - processor_began
    sys.stdout.write(
        f"{len(made.client_ids)} clients, {len(made.test_ids)} tests in {took_seconds:.1f} s,"
        f" {busy_seconds:.1f} s of them at work\n"
    )
