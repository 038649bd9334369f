"""Resolvers, and time servers, side by side."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.dashboard.cards.base import Card
from apps.dashboard.cards.tls import list_texts
from apps.dashboard.selectors.documents import list_objects, read_number, read_text
from apps.tests.models import Result, Run

MOST_ROWS = 20


@dataclass(frozen=True, slots=True)
class ResolverRow:
    resolver: str
    seconds: float | None
    code: str
    answers: tuple[str, ...]
    is_authenticated: bool
    error: str


@dataclass(frozen=True, slots=True)
class ServerRow:
    server: str
    offset: float | None
    round_trip: float | None
    stratum: float | None
    reference: str
    error: str


@dataclass(frozen=True, slots=True)
class ServersView:
    """`disagreement` is in seconds; None when fewer than two servers could be compared."""

    rows: tuple[ServerRow, ...]
    disagreement: float | None


def build_dns_card(_run: Run, result: Result) -> Card | None:
    rows = tuple(
        describe_resolver(one) for one in list_objects(result.document.get("resolvers"))[:MOST_ROWS]
    )
    return Card("dashboard/cards/dns.html", rows) if rows else None


def build_ntp_card(_run: Run, result: Result) -> Card | None:
    rows = tuple(
        describe_server(one) for one in list_objects(result.document.get("servers"))[:MOST_ROWS]
    )
    if not rows:
        return None
    disagreement = read_number(result.document.get("disagreement"))
    return Card("dashboard/cards/ntp.html", ServersView(rows, disagreement))


def describe_resolver(one: Mapping[str, Any]) -> ResolverRow:
    return ResolverRow(
        resolver=read_text(one.get("resolver")),
        seconds=read_number(one.get("seconds")),
        code=read_text(one.get("code")),
        answers=list_texts(one.get("answers")),
        is_authenticated=one.get("is_authenticated") is True,
        error=read_text(one.get("error")),
    )


def describe_server(one: Mapping[str, Any]) -> ServerRow:
    return ServerRow(
        server=read_text(one.get("server")),
        offset=read_number(one.get("offset")),
        round_trip=read_number(one.get("round_trip")),
        stratum=read_number(one.get("stratum")),
        reference=read_text(one.get("reference")),
        error=read_text(one.get("error")),
    )
