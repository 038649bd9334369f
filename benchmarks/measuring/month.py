"""Thirty days of a small network, told to the server by its agents through their own API.

The server's clock is moved along in steps of six hours, so that planner, rollups and judgements do
what they would have done; agents send at each what they measured since the last. One target is
down twice, one site is slow in the evenings, one agent is away for a day, and a disk fills.
"""

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apps.clients.models import Client
    from apps.tests.models import Run

DAYS = 31
STEP = timedelta(hours=6)
SITES = ("vienna", "graz", "linz")
HOST_KEYS = ("system.cpu.utilization", "system.memory.utilization")
DISK_KEYS = ("system.filesystem.utilization",)
LINK_KEYS = (
    "system.network.io.rate{direction=receive}",
    "system.network.io.rate{direction=transmit}",
)
RUN_KEYS: Mapping[str, tuple[str, ...]] = {
    "ping": ("net.rtt.min", "net.rtt.median", "net.rtt.max", "net.packet.loss.ratio"),
    "http": ("http.client.request.duration", "http.availability.ratio"),
    "dns": ("dns.lookup.duration",),
    "http_throughput": ("net.throughput.http.download",),
}
TESTS: tuple[tuple[str, str, str, float, dict[str, Any]], ...] = (
    ("Gateway", "ping", "192.0.2.1", 3600.0, {}),
    ("Head office", "ping", "198.51.100.7", 3600.0, {}),
    ("Order system & shop <front>", "http", "http://192.0.2.80/", 3600.0, {}),
    ("Resolver", "dns", "192.0.2.53", 7200.0, {"name": "example.org"}),
    ("Internet line", "http_throughput", "http://192.0.2.99/", 14400.0, {"max_megabits": 100}),
)
RECORDS_AT_ONCE = 2_000


@dataclass(slots=True)
class Month:
    """What is simulated; `run` leaves the clock at its end."""

    clock: Any
    end: datetime
    clients: list["Client"] = field(default_factory=list)
    secrets: dict[Any, str] = field(default_factory=dict)
    rng: random.Random = field(
        default_factory=lambda: random.Random(7)  # noqa: S311 - the same again and again
    )

    @property
    def start(self) -> datetime:
        return self.end - timedelta(days=DAYS)

    def run(self) -> None:
        from django.conf import settings

        from apps.metrics.services import roll_up
        from apps.ml.services.health import refresh_health
        from apps.ml.services.series import judge_series
        from apps.tests.services import close_overdue_runs, plan_runs

        self.clock.move_to(self.start)
        # All runs until the next step are planned at once.
        settings.SWARM_HORIZON_SECONDS = int(STEP.total_seconds())
        self.make_network()
        moment = self.start
        while moment < self.end:
            plan_runs(now=moment)
            moment += STEP
            self.clock.move_to(moment)
            for client in self.clients:
                self.send(client, self.measure(client, moment))
            close_overdue_runs(now=moment + timedelta(minutes=10))
            refresh_health(now=moment)
            if moment.hour == 0:
                roll_up(now=moment, budget_seconds=60)
                judge_series(now=moment, budget_seconds=60)
        roll_up(now=self.end + timedelta(hours=13), budget_seconds=600)

    def make_network(self) -> None:
        from tests.factories.clients import INVENTORY, make_client, make_key
        from tests.factories.tests import make_test

        for number, site in enumerate(SITES):
            client = make_client(
                f"{site}-{number + 1:02}",
                site=site,
                tags=["branch" if number else "headquarters"],
                presence="online",
                hostname=f"probe-{number + 1}.{site}.example",
                operating_system="Debian GNU/Linux",
                agent_version="0.1.0",
                inventory=INVENTORY,
            )
            self.clients.append(client)
            self.secrets[client.id] = make_key(client)
        for name, kind, target, every, parameters in TESTS:
            make_test(
                name,
                *self.clients,
                kind=kind,
                target=target,
                every_seconds=every,
                parameters=parameters,
                start_at=self.start,
            )

    def measure(self, client: "Client", moment: datetime) -> list[dict[str, Any]]:
        """The records of the step before `moment`; none of an agent that is away."""
        from apps.tests.models import Run

        day = (moment - self.start) / timedelta(days=1)
        place = self.clients.index(client)
        if place == 1 and 9.3 < day < 10.4:
            return []
        records = self.measure_host(place, moment, day)
        runs = Run.objects.filter(
            assignment__client=client, start_at__gte=moment - STEP, end_at__lt=moment
        ).select_related("assignment__test")
        for run in runs:
            records += self.measure_run(run, place)
        return records

    def measure_host(self, place: int, moment: datetime, day: float) -> list[dict[str, Any]]:
        from tests.factories import wire

        records = []
        for hours in range(6):
            at = moment - timedelta(hours=hours, minutes=30)
            load = self.follow_day(at) * (0.5 + 0.1 * place)
            cpu = min(0.08 + 0.5 * load + self.rng.uniform(0, 0.1), 1.0)
            disk = 0.62 + 0.0085 * day if place == 0 else 0.4 + 0.0005 * day
            down = 2e6 + 6e7 * load * self.rng.uniform(0.7, 1.2)
            records += [
                wire.frame((cpu, 0.45 + 0.1 * load), keys=HOST_KEYS, at=at),
                wire.frame(
                    (min(disk, 0.99),), keys=DISK_KEYS, at=at, source=("filesystem", "/var")
                ),
                wire.frame((down, down / 5), keys=LINK_KEYS, at=at, source=("interface", "eth0")),
            ]
        return records

    def measure_run(self, run: "Run", place: int) -> list[dict[str, Any]]:
        from tests.factories import wire

        test = run.assignment.test
        day = (run.start_at - self.start) / timedelta(days=1)
        is_good = not self.is_down(test.name, place, day)
        values = self.find_values(test.kind, place, run.start_at, is_good=is_good)
        keys = RUN_KEYS[test.kind]
        records = []
        if values:
            numbers = [values.get(key) for key in keys]
            frame = wire.frame(
                numbers,
                keys=keys,
                at=run.start_at + timedelta(seconds=5),
                source=("assignment", str(run.assignment_id)),
                absent={key: "T" for key in keys if key not in values},
            )
            records.append(frame)
        result = wire.result(
            run.assignment_id,
            run=run.id,
            slot=run.slot,
            revision=run.schedule_revision,
            at=run.start_at,
            is_success=is_good,
            reason="" if is_good else "no answer in time (10)",
            values=values,
        )
        return [*records, result]

    def is_down(self, name: str, place: int, day: float) -> bool:
        if name.startswith("Order") and (4.35 < day < 4.52 or 22.6 < day < 22.9):
            return True
        if name == "Head office" and place == 2 and 15.7 < day < 16.05:
            return True
        return self.rng.random() < 0.0008

    def find_values(
        self, kind: str, place: int, at: datetime, *, is_good: bool
    ) -> dict[str, float]:
        busy = self.follow_day(at)
        slow = 3.0 if place == 2 and 17 <= at.hour <= 21 else 1.0
        noise = self.rng.lognormvariate(0, 0.12)
        if kind == "ping":
            median = (0.004 + 0.006 * place) * (1 + 0.3 * busy) * slow * noise
            loss = 1.0 if not is_good else 0.02 * busy if slow > 1 else 0.0005 * busy
            answer = {"net.packet.loss.ratio": loss}
            if is_good:
                answer |= {
                    "net.rtt.min": median * 0.8,
                    "net.rtt.median": median,
                    "net.rtt.max": median * self.rng.uniform(1.5, 4),
                }
            return answer
        if kind == "http":
            good = {"http.availability.ratio": float(is_good)}
            duration = (0.12 + 0.03 * place) * (1 + 0.6 * busy) * slow * noise
            return good | ({"http.client.request.duration": duration} if is_good else {})
        if not is_good:
            return {}
        if kind == "dns":
            return {"dns.lookup.duration": (0.006 + 0.002 * place) * noise}
        return {"net.throughput.http.download": 9.4e7 * (1 - 0.35 * busy) / slow / noise}

    def follow_day(self, at: datetime) -> float:
        """0 to 1: little at night and on Sundays, most in the early afternoon."""
        hour = at.hour + at.minute / 60
        shape = max(math.sin((hour - 6) / 16 * math.pi), 0.0) if 6 <= hour <= 22 else 0.0
        return shape * (0.35 if at.weekday() == 6 else 1.0)

    def send(self, client: "Client", records: Sequence[dict[str, Any]]) -> None:
        """Through the agents' door, as an agent does.

        Raises: RuntimeError when the server refuses a record.
        """
        from django.test import Client as Browser

        from tests.factories import wire

        if not records:
            return
        keys = (HOST_KEYS, DISK_KEYS, LINK_KEYS, *RUN_KEYS.values())
        body = wire.batch(*records, keys=keys)
        answer = wire.post(
            Browser(SERVER_NAME="localhost"), "records", body, self.secrets[client.id]
        )
        refused = json.loads(answer.content).get("rejected", ["no answer"])
        if answer.status_code != 200 or refused:
            raise RuntimeError(f"the server refused what this sent: {answer.content[:300]!r}")


def begin_month(clock: Any, end: datetime | None = None) -> Month:
    """A month that ends at the begin of this UTC day, or at that moment."""
    until = end or datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return Month(clock, until)
