"""What a result holds, group by group: what was measured, and what was not and why."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from django.utils.translation import gettext as _

from apps.dashboard.formats import SPACE, describe_key
from apps.metrics.catalogue import METRICS, parse_key
from apps.tests.models import Result


@dataclass(frozen=True, slots=True)
class Reading:
    """A value of a metric; the words tell it from others of the same metric."""

    key: str
    words: str
    value: float


@dataclass(frozen=True, slots=True)
class Finding:
    """What was measured of a metric: one value, or one for each of its attributes."""

    name: str
    meaning: str
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class Absence:
    """A key without a value, and the code of the reason."""

    key: str
    meaning: str
    code: str


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """A group of the catalogue; `reasons` says how many values are missing for which reason."""

    name: str
    findings: tuple[Finding, ...]
    absences: tuple[Absence, ...]
    reasons: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Fact:
    key: str
    meaning: str
    text: str


def describe_findings(result: Result) -> list[FindingGroup]:
    """All values and absences of a result, grouped and ordered as in the catalogue.

    Groups of which nothing was measured come last.
    """
    keys = sort_keys({*result.values, *result.absent})
    by_group: dict[str, list[str]] = {}
    for key in keys:
        parsed = parse_key(key)
        by_group.setdefault(parsed.metric.group if parsed else "", []).append(key)
    groups = [describe_group(name, members, result) for name, members in by_group.items()]
    return sorted(groups, key=lambda group: not group.findings)


def describe_group(name: str, keys: list[str], result: Result) -> FindingGroup:
    measured = [key for key in keys if key in result.values]
    absences = tuple(
        Absence(key, describe_key(key), result.absent[key])
        for key in keys
        if key not in result.values
    )
    return FindingGroup(
        name=name,
        findings=describe_values({key: result.values[key] for key in measured}),
        absences=absences,
        reasons=tuple(Counter(one.code for one in absences).most_common()),
    )


def describe_values(values: Mapping[str, float]) -> tuple[Finding, ...]:
    """The values by metric, in the order of the keys, in which those of a metric are neighbours."""
    return tuple(
        Finding(metric, describe_key(metric), read_values(list(members), values))
        for metric, members in groupby(values, key=name_metric)
    )


def read_values(keys: Sequence[str], values: Mapping[str, float]) -> tuple[Reading, ...]:
    """The values of one metric; among several the one without attributes is that of all."""
    whole = _("in all") if len(keys) > 1 else ""
    return tuple(Reading(key, write_attributes(key) or whole, values[key]) for key in keys)


def write_attributes(key: str) -> str:
    parsed = parse_key(key)
    attributes = parsed.attributes if parsed else ()
    return ", ".join(f"{name}{SPACE}{value}" for name, value in attributes)


def name_metric(key: str) -> str:
    return key.partition("{")[0]


def describe_facts(facts: Mapping[str, str]) -> list[Fact]:
    return [Fact(key, describe_key(key), text) for key, text in sorted(facts.items())]


def sort_keys(keys: Iterable[str]) -> list[str]:
    """In the catalogue's order, what it does not know behind; those of a metric are neighbours."""
    order = {name: place for place, name in enumerate(METRICS)}

    def place(key: str) -> tuple[int, str]:
        parsed = parse_key(key)
        return (order[parsed.metric.name] if parsed else len(order), key)

    return sorted(keys, key=place)
