"""The sources of a look at the client's own host, each with its figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.dashboard.cards.base import Card
from apps.dashboard.selectors.documents import list_objects, read_number, read_text
from apps.dashboard.selectors.findings import (
    Fact,
    Finding,
    describe_facts,
    describe_values,
    sort_keys,
)
from apps.tests.models import Result, Run

MOST_SOURCES = 60
MOST_FIGURES = 80
LABELS: Mapping[str, str | Promise] = {
    "host": _("The host itself"),
    "cpu": _("Processors"),
    "filesystem": _("File system"),
    "disk": _("Disk"),
    "interface": _("Interface"),
    "network": _("Network"),
    "hardware": _("Hardware"),
}


@dataclass(frozen=True, slots=True)
class SourceView:
    """A source with its figures by metric, and its facts; `count` is how many values there are."""

    label: str | Promise
    subject: str
    count: int
    findings: tuple[Finding, ...]
    facts: tuple[Fact, ...]


def build_own_host_card(_run: Run, result: Result) -> Card | None:
    """The sources that say more than the result's own figures, which the page has below."""
    told = list_objects(result.document.get("rows"))[:MOST_SOURCES]
    sources = tuple(describe_source(one) for one in told if not says_the_same(one, result.values))
    shown = tuple(source for source in sources if source.findings or source.facts)
    return Card("dashboard/cards/own_host.html", shown) if shown else None


def says_the_same(one: Mapping[str, Any], values: Mapping[str, float]) -> bool:
    """Whether all that the source says is among the values of the result."""
    return not list_pairs(one.get("facts")) and all(
        values.get(key) == value for key, value in list_pairs(one.get("values"))
    )


def describe_source(one: Mapping[str, Any]) -> SourceView:
    read = {key: read_number(value) for key, value in list_pairs(one.get("values"))}
    figures = {key: value for key in sort_keys(read) if (value := read[key]) is not None}
    texts = {key: text for key, value in list_pairs(one.get("facts")) if (text := read_text(value))}
    kind = read_text(one.get("kind"))
    return SourceView(
        label=LABELS.get(kind, kind or "\N{EM DASH}"),
        subject=read_text(one.get("subject")),
        count=len(figures),
        findings=describe_values(figures),
        facts=tuple(describe_facts(texts)),
    )


def list_pairs(value: Any) -> list[tuple[str, Any]]:
    found = value.items() if isinstance(value, dict) else ()
    return [(str(key), one) for key, one in islice(found, MOST_FIGURES)]
