"""`metrics`: what of the catalogue this host measures now, and why it does not measure the rest."""

import argparse
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from streamswarm_agent.cli import options
from streamswarm_agent.cli.quantities import ABSENT
from streamswarm_agent.cli.readings import BETWEEN_SECONDS
from streamswarm_agent.collectors import build_collectors
from streamswarm_agent.collectors.base import Collection, Collector
from streamswarm_agent.wire.catalogue import Metric, load_metrics


@dataclass(frozen=True, slots=True)
class Standing:
    """A metric on this host: measured, or missing for reasons, or not asked of the host at all."""

    name: str
    group: str
    emitted_by: tuple[str, ...]
    is_measured: bool
    reasons: tuple[str, ...] = ()

    @property
    def is_asked(self) -> bool:
        return self.is_measured or bool(self.reasons)


def add_command(commands: Any) -> None:
    parser = options.add_parser(commands, "metrics", "show which metrics this host measures")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Read every collector twice, and print what of the catalogue came."""
    standings = take_stock(build_collectors().values(), load_metrics().values())
    if arguments.json:
        print(json.dumps([asdict(standing) for standing in standings]))
    else:
        print("\n".join(list_lines(standings)))
    return 0


def take_stock(
    collectors: Iterable[Collector],
    metrics: Iterable[Metric],
    sleep: Callable[[float], None] = time.sleep,
) -> list[Standing]:
    """How each metric stands after two passes of the collectors, a second apart."""
    known = list(collectors)
    for collector in known:
        collector.collect()
    sleep(BETWEEN_SECONDS)
    collections = [collector.collect() for collector in known]
    measured, reasons = find_measured(collections), find_reasons(collections)
    return [
        Standing(
            metric.name,
            metric.group,
            metric.emitted_by,
            is_measured=metric.name in measured,
            reasons=() if metric.name in measured else tuple(sorted(reasons.get(metric.name, ()))),
        )
        for metric in metrics
    ]


def find_measured(collections: Iterable[Collection]) -> set[str]:
    """The metrics that have a number or words in any frame or fact."""
    keys = {
        *(key for one in collections for frame in one.frames for key in frame.values),
        *(fact.key for one in collections for fact in one.facts if fact.value),
    }
    return {name_of(key) for key in keys}


def find_reasons(collections: Iterable[Collection]) -> Mapping[str, set[str]]:
    """The reason codes of each metric that a frame says it has not."""
    reasons: dict[str, set[str]] = {}
    for frame in (frame for one in collections for frame in one.frames):
        for key, code in frame.absent.items():
            reasons.setdefault(name_of(key), set()).add(code)
    return reasons


def name_of(key: str) -> str:
    return key.partition("{")[0]


def list_lines(standings: Sequence[Standing]) -> list[str]:
    """What people read: a block a group of what was asked of the host, and the sums."""
    asked = [standing for standing in standings if standing.is_asked]
    lines = []
    for group in dict.fromkeys(standing.group for standing in asked):
        lines.append(group)
        lines += [describe(standing) for standing in asked if standing.group == group]
        lines.append("")
    measured_count = sum(standing.is_measured for standing in standings)
    lines.append(
        f"{measured_count} measured on this host, {len(asked) - measured_count} missing here; "
        f"the other {len(standings) - len(asked)} of {len(standings)} come from tests, "
        "the running agent or the server"
    )
    return lines


def describe(standing: Standing) -> str:
    if standing.is_measured:
        return f"  + {standing.name}"
    words = ", ".join(ABSENT.get(code, code) for code in standing.reasons)
    return f"  - {standing.name}: {words}"
