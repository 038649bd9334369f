"""What a result holds, group by group: what was measured, and what was not and why."""

from collections import Counter
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
    order = {name: place for place, name in enumerate(METRICS)}
    keys = sorted({*result.values, *result.absent}, key=lambda key: (place_of(key, order), key))
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
        findings=tuple(
            Finding(metric, describe_key(metric), read_values(list(members), result))
            for metric, members in groupby(measured, key=name_metric)
        ),
        absences=absences,
        reasons=tuple(Counter(one.code for one in absences).most_common()),
    )


def read_values(keys: list[str], result: Result) -> tuple[Reading, ...]:
    """The values of one metric; among several the one without attributes is that of all."""
    whole = _("in all") if len(keys) > 1 else ""
    return tuple(Reading(key, write_attributes(key) or whole, result.values[key]) for key in keys)


def write_attributes(key: str) -> str:
    parsed = parse_key(key)
    attributes = parsed.attributes if parsed else ()
    return ", ".join(f"{name}{SPACE}{value}" for name, value in attributes)


def name_metric(key: str) -> str:
    return key.partition("{")[0]


def describe_facts(result: Result) -> list[Fact]:
    return [Fact(key, describe_key(key), text) for key, text in sorted(result.facts.items())]


def place_of(key: str, order: dict[str, int]) -> int:
    parsed = parse_key(key)
    return order[parsed.metric.name] if parsed else len(order)
