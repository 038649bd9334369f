"""A report as HTML: its facts, cut into sections, in the words of its language."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from django.conf import settings
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.accounts.policy import AnyUser
from apps.clients.algorithms.selector import parse_selector
from apps.clients.models import Site, Tag
from apps.core.clock import format_moment
from apps.reports.algorithms.colours import READABLE, choose_text, darken
from apps.reports.algorithms.periods import find_period, find_previous
from apps.reports.algorithms.pictures import find_media_type
from apps.reports.models import ReportPlan
from apps.reports.sections import SECTIONS, TEMPLATES, Draft
from apps.reports.sections.base import write_period
from apps.reports.sections.wording import write_count
from apps.reports.selectors.facts import Facts, Question

logger = structlog.get_logger(__name__)

FONTS = (
    ("Inter", "400", "vendor/inter-latin-400.woff2"),
    ("Inter", "600", "vendor/inter-latin-600.woff2"),
    ("Inter Extended", "400", "vendor/inter-latin-ext-400.woff2"),
    ("Inter Extended", "600", "vendor/inter-latin-ext-600.woff2"),
)
STYLESHEET = "css/report.css"
PRINT_STYLESHEET = "reports/print.css"
COLOUR = re.compile(r"#[0-9a-f]{6}")
PLAIN_ACCENT = "#0f5fb8"
NAMED_AT_MOST = 6


@dataclass(frozen=True, slots=True)
class SectionPart:
    name: str
    title: str
    html: SafeString


@dataclass(frozen=True, slots=True)
class Document:
    """The parts of a report; `coverage` is None where nothing was planned."""

    title: str
    kind: str
    period: str
    scope: str
    verdict: str
    coverage: float | None
    sections: tuple[SectionPart, ...]
    summary: dict[str, Any]
    language: str
    logo_url: str
    accent: str
    # For text on the accent, and the accent dark enough to be read on paper.
    on_accent: str
    ink: str
    made_at: str

    @property
    def context(self) -> dict[str, object]:
        """What templates/reports/body.html shows."""
        names = ("title", "kind", "period", "scope", "sections", "language", "logo_url", "made_at")
        return {name: getattr(self, name) for name in (*names, "accent", "on_accent", "ink")}


def ask_question(
    plan: ReportPlan, *, user: AnyUser, now: datetime, span: tuple[datetime, datetime] | None = None
) -> Question:
    """What the plan is about as of `now`, or in that span."""
    zone = ZoneInfo(plan.time_zone)
    start, end = span or find_period(plan.period, now, zone)
    start, end = start.astimezone(zone), end.astimezone(zone)
    previous_start, previous_end = find_previous(plan.period, (start, end))
    return Question(
        user=user,
        selector=parse_selector(plan.selector),
        test_ids=tuple(UUID(one) for one in plan.tests),
        start=start,
        end=end,
        previous_start=previous_start,
        previous_end=previous_end,
        zone=zone,
    )


def build_document(plan: ReportPlan, question: Question, now: datetime) -> Document:
    """The report of the plan, which need not be stored, about the question."""
    with translation.override(plan.language), timezone.override(question.zone):
        facts = Facts(question)
        accent = plan.accent if COLOUR.fullmatch(plan.accent) else PLAIN_ACCENT
        ink = darken(accent, READABLE)
        draft = Draft(facts, ink, now)
        names = plan.sections or TEMPLATES[plan.template]
        built = [(name, SECTIONS[name].build(draft)) for name in names if name in SECTIONS]
        contents = [(name, content) for name, content in built if content is not None]
        return Document(
            title=plan.name,
            kind=str(ReportPlan.Template(plan.template).label),
            period=write_period(question.start, question.end, question.zone),
            scope=write_scope(facts),
            verdict=find_verdict(contents),
            coverage=facts.total.coverage,
            sections=tuple(render_section(name, content) for name, content in contents),
            summary=summarise(contents) | {"language": plan.language},
            language=plan.language,
            logo_url=build_logo_url(plan.logo),
            accent=accent,
            on_accent=choose_text(accent),
            ink=ink,
            made_at=format_moment(now),
        )


def render_section(name: str, content: Mapping[str, Any]) -> SectionPart:
    html = render_to_string(f"reports/sections/{name}.html", dict(content))
    return SectionPart(name, str(SECTIONS[name].title), html)


def find_verdict(contents: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """The sentence of the first section that has one."""
    verdicts = (str(content["verdict"]) for _name, content in contents if "verdict" in content)
    return next(verdicts, _("Nothing was measured of this selection in this period."))


def summarise(contents: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """What a mail says in its body: figures with their change, and what went worst."""
    own = dict(contents).get("summary", {})
    return {
        "figures": [[one.title, one.value, one.change.text] for one in own.get("figures", ())],
        "worst": [[one.name, one.availability, one.down] for one in own.get("worst", ())],
        "sections": [str(SECTIONS[name].title) for name, _content in contents],
    }


def write_scope(facts: Facts) -> str:
    """Which clients and tests it is about, in words."""
    selector = facts.question.selector
    count = len(facts.clients)
    text = ngettext("%(count)s client", "%(count)s clients", count) % {"count": write_count(count)}
    parts = []
    if selector.sites:
        sites = Site.objects.filter(slug__in=selector.sites).values_list("name", flat=True)
        parts.append(_("sites: %(names)s") % {"names": ", ".join(sites[:NAMED_AT_MOST])})
    if selector.tags:
        tags = Tag.objects.filter(slug__in=selector.tags).values_list("name", flat=True)
        parts.append(_("tags: %(names)s") % {"names": ", ".join(tags[:NAMED_AT_MOST])})
    if selector.client_ids or count <= NAMED_AT_MOST:
        shown = [client.name for client in facts.clients[:NAMED_AT_MOST]]
        parts += [", ".join(shown)] if shown else []
    if facts.question.test_ids:
        tests = sorted({one.test.name for one in facts.assignments})
        parts.append(_("tests: %(names)s") % {"names": ", ".join(tests[:NAMED_AT_MOST])})
    return f"{text} ({'; '.join(parts)})" if parts else text


def build_logo_url(logo: bytes | memoryview | None) -> str:
    """The logo as a data URL; empty without one."""
    content = bytes(logo or b"")
    kind = find_media_type(content)
    return f"data:{kind};base64,{base64.b64encode(content).decode()}" if kind else ""


def render_html(document: Document) -> str:
    """The whole document for the printer: nothing in it lies outside of it."""
    with translation.override(document.language):
        context = {**document.context, "stylesheet": build_stylesheet()}
        return render_to_string("reports/document.html", context)


@cache
def build_stylesheet() -> str:
    """The styles of the page and of paper, with the fonts inside."""
    faces = "".join(
        f"@font-face {{ font-family: '{family}'; font-weight: {weight};"
        f" src: url(data:font/woff2;base64,{content}) }}"
        for family, weight, content in read_fonts()
    )
    own = find_static(STYLESHEET)
    screen = own.read_text("utf-8") if own is not None else ""
    return faces + screen + render_to_string(PRINT_STYLESHEET)


def read_fonts() -> list[tuple[str, str, str]]:
    """The vendored fonts as base64; without them the printer takes a font of the system."""
    found = []
    for family, weight, name in FONTS:
        path = find_static(name)
        if path is None:
            logger.warning("report_font_missing", name=name)
            continue
        found.append((family, weight, base64.b64encode(path.read_bytes()).decode()))
    return found


def find_static(name: str) -> Path | None:
    """A static file where it comes from, or else where it was collected."""
    found = finders.find(name)
    if isinstance(found, str):
        return Path(found)
    collected = Path(settings.STATIC_ROOT) / name
    return collected if collected.exists() else None
