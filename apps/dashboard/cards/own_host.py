"""The sources of a look at the client's own host, each with its figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from apps.dashboard.cards.base import Card
from apps.dashboard.selectors.documents import list_objects, read_number, read_text
from apps.tests.models import Result, Run

MOST_SOURCES = 60
MOST_FIGURES = 80


@dataclass(frozen=True, slots=True)
class SourceView:
    """A source: its facts, then its figures by metric key."""

    kind: str
    subject: str
    facts: tuple[tuple[str, str], ...]
    figures: tuple[tuple[str, float], ...]


def build_own_host_card(_run: Run, result: Result) -> Card | None:
    """The sources that have something to say; the card of one alone would repeat the figures."""
    told = list_objects(result.document.get("rows"))[:MOST_SOURCES]
    sources = [describe_source(one) for one in told]
    shown = tuple(source for source in sources if source.figures or source.facts)
    return Card("dashboard/cards/own_host.html", shown) if len(shown) > 1 else None


def describe_source(one: Mapping[str, Any]) -> SourceView:
    values, facts = one.get("values"), one.get("facts")
    read = ((str(key), read_number(value)) for key, value in list_pairs(values))
    return SourceView(
        kind=read_text(one.get("kind")),
        subject=read_text(one.get("subject")),
        facts=tuple((key, text) for key, value in list_pairs(facts) if (text := read_text(value))),
        figures=tuple((key, number) for key, number in read if number is not None),
    )


def list_pairs(value: Any) -> list[tuple[str, Any]]:
    return list(islice(value.items(), MOST_FIGURES)) if isinstance(value, dict) else []
