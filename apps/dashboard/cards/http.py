"""The phases of a web request one after the other, as a waterfall."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.dashboard.cards.base import Card
from apps.dashboard.selectors.documents import read_number
from apps.tests.models import Result, Run

Label = str | Promise
WIDTH = 1000
LEAST_WIDTH = 3
PHASES: tuple[tuple[str, Label], ...] = (
    ("http.redirect.duration", _("Redirects")),
    ("http.client.phase.dns", _("Name look-up")),
    ("http.client.phase.connect", _("Connection")),
    ("http.client.phase.tls", _("TLS handshake")),
    ("http.client.phase.request", _("Request sent")),
    ("http.client.phase.ttfb", _("Waiting for the first byte")),
    ("http.client.phase.transfer", _("Transfer")),
)
DURATION = "http.client.request.duration"
REST = _("In the client, in between")
# What is less is rounding, and the mean of phases that not every request had.
LEAST_REST_SHARE = 0.02
FACTS: tuple[tuple[str, Label], ...] = (
    ("http.protocol.version", _("HTTP version")),
    ("http.compression.algorithm", _("Compression")),
    ("http.cache.status", _("Cache")),
    ("http.cdn.provider", _("Delivery network")),
)


@dataclass(frozen=True, slots=True)
class Phase:
    """A bar: where it begins and how wide it is, of `WIDTH`, and its seconds."""

    label: Label
    seconds: float
    begin: int
    width: int


@dataclass(frozen=True, slots=True)
class WaterfallView:
    phases: tuple[Phase, ...]
    total_seconds: float
    words: tuple[tuple[Label, str], ...]
    width: int = WIDTH


def build_http_card(_run: Run, result: Result) -> Card | None:
    phases = list_phases(result.values)
    if not phases:
        return None
    words = tuple((label, str(result.facts[key])) for key, label in FACTS if key in result.facts)
    total = sum(phase.seconds for phase in phases)
    return Card("dashboard/cards/http.html", WaterfallView(phases, total, words))


def list_phases(values: Mapping[str, object]) -> tuple[Phase, ...]:
    """The phases there are, each beginning where the one before it ends, and what they leave."""
    found = [
        (label, seconds)
        for key, label in PHASES
        if (seconds := read_number(values.get(key))) is not None and seconds >= 0
    ]
    known = sum(seconds for _label, seconds in found)
    whole = read_number(values.get(DURATION))
    if whole is not None and found and whole - known > LEAST_REST_SHARE * whole:
        found.append((REST, whole - known))
    total = sum(seconds for _label, seconds in found)
    if total <= 0:
        return ()
    phases = []
    passed = 0.0
    for label, seconds in found:
        width = max(LEAST_WIDTH, round(WIDTH * seconds / total))
        begin = min(round(WIDTH * passed / total), WIDTH - LEAST_WIDTH)
        phases.append(Phase(label, seconds, begin, min(width, WIDTH - begin)))
        passed += seconds
    return tuple(phases)
