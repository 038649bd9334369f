"""What has changed most against the period before, by how far it moves anyway."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from apps.metrics.algorithms.series import Buckets, Numbers
from apps.metrics.catalogue import METRICS
from apps.metrics.models import Source
from apps.metrics.selectors import read_many
from apps.reports.algorithms.statistics import Effect, compute_ratio, measure_effect
from apps.reports.selectors.analysis.question import Question

TEST_KEYS = (
    "net.rtt.median",
    "net.packet.loss.ratio",
    "net.jitter.rfc3550",
    "net.throughput.tcp.receive",
    "net.throughput.tcp.send",
    "net.throughput.http.download",
    "http.client.request.duration",
    "tls.handshake.duration",
)
HOST_KEYS = ("system.cpu.utilization", "system.memory.utilization")
LISTED = 20
# Half of the usual spread, as small an effect as is worth a word (Cohen 1988).
LEAST_SIZE = 0.5


@dataclass(frozen=True, slots=True)
class TopChange:
    """A metric of a client, or of a test on it, whose course has moved.

    `is_better` is None where neither direction is.
    """

    client_id: UUID
    client: str
    test_id: UUID | None
    test: str
    metric: str
    effect: Effect
    ratio: float | None
    is_better: bool | None


@dataclass(frozen=True, slots=True)
class Owner:
    client_id: UUID
    client: str
    test_id: UUID | None = None
    test: str = ""


def read_top_changes(question: Question, *, limit: int = LISTED) -> list[TopChange]:
    """The greatest effects first; what moved by less than half of its usual spread is no change.

    A few queries for each of ten metrics, however many clients there are.
    """
    found = []
    for key, owners in list_owners(question):
        found += list(compare_courses(question, key, owners))
    found.sort(key=lambda one: (-abs(one.effect.size), one.client, one.test, one.metric))
    return found[:limit]


def list_owners(question: Question) -> Iterator[tuple[str, dict[int, Owner]]]:
    """Whose each source is that has the metric now, by metric."""
    assignments = question.list_assignments().filter(removed_at=None, source__latest__isnull=False)
    rows = assignments.select_related(None).values_list(
        "source_id",
        "source__latest__layout__keys",
        "client_id",
        "client__name",
        "test_id",
        "test__name",
    )
    of_tests = [
        (source_id, frozenset(keys), Owner(client_id, client, test_id, test))
        for source_id, keys, client_id, client, test_id, test in rows
    ]
    of_hosts: list[tuple[int, frozenset[str], Owner]] = []
    if question.test_id is None:
        hosts = Source.objects.filter(
            client_id__in=question.select_clients(), kind="host", latest__isnull=False
        ).values_list("id", "latest__layout__keys", "client_id", "client__name")
        of_hosts = [
            (source_id, frozenset(keys), Owner(client_id, client))
            for source_id, keys, client_id, client in hosts
        ]
    for keys, owned in ((TEST_KEYS, of_tests), (HOST_KEYS, of_hosts)):
        for key in keys:
            owners = {source_id: owner for source_id, there, owner in owned if key in there}
            if owners:
                yield key, owners


def compare_courses(
    question: Question, key: str, owners: Mapping[int, Owner]
) -> Iterator[TopChange]:
    period = question.period
    many = read_many(source_ids=list(owners), key=key, start=period.previous.start, end=period.end)
    border = period.start.timestamp()
    for source_id, parts in many.parts.items():
        effect = measure_effect(*part_means(parts, border))
        if effect is None or abs(effect.size) < LEAST_SIZE:
            continue
        owner = owners[source_id]
        yield TopChange(
            client_id=owner.client_id,
            client=owner.client,
            test_id=owner.test_id,
            test=owner.test,
            metric=key,
            effect=effect,
            ratio=compute_ratio(effect.now, effect.before),
            is_better=judge(key, effect),
        )


def part_means(parts: Buckets, border: float) -> tuple[Numbers, Numbers]:
    is_now = parts.start >= border
    return parts.mean[is_now], parts.mean[~is_now]


def judge(key: str, effect: Effect) -> bool | None:
    better = METRICS[key].better
    return None if better == "neither" else (effect.size > 0) == (better == "higher")
