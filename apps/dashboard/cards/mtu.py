"""The path MTU beside what the link and the kernel allow, and how it was found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.dashboard.cards.base import Card
from apps.dashboard.selectors.documents import list_objects, read_number, read_object, read_text
from apps.tests.models import Result, Run

Label = str | Promise
BAR_UNITS = 1000
MOST_TRIALS = 100
# Icon, tone and word: none of the three carries the meaning alone.
VERDICTS: Mapping[str, tuple[str, str, Label]] = {
    "delivered": ("circle-check", "good", _("arrived")),
    "too_big": ("ban", "warning", _("too big, a router says")),
    "local": ("ban", "idle", _("larger than the link")),
    "lost": ("circle-x", "bad", _("vanished")),
    "refused": ("ban", "bad", _("refused on the way")),
    "passed": ("clock", "idle", _("ran out of hops")),
}


@dataclass(frozen=True, slots=True)
class Bar:
    """A size in bytes, and its share of the largest one in `BAR_UNITS`."""

    label: Label
    detail: str
    size: float
    width: int
    tone: str


@dataclass(frozen=True, slots=True)
class Trial:
    """A size that was tried and what became of it."""

    size: float
    icon: str
    tone: str
    word: Label
    address: str
    mtu: float | None


@dataclass(frozen=True, slots=True)
class MtuView:
    """What the card shows; sizes in bytes, None where there is none."""

    mtu: float | None
    mss: float | None
    mss_received: float | None
    router: str
    router_mtu: float | None
    hop: float | None
    vanished_from: float | None
    vanished_to: float | None
    bars: tuple[Bar, ...]
    trials: tuple[Trial, ...]
    bar_units: int = BAR_UNITS


def build_mtu_card(_run: Run, result: Result) -> Card | None:
    document = result.document
    router = read_object(document.get("router"))
    vanished = document.get("vanished")
    ends = vanished if isinstance(vanished, list) and len(vanished) == 2 else [None, None]  # noqa: PLR2004 - from and to
    view = MtuView(
        mtu=read_number(document.get("mtu")),
        mss=read_number(document.get("mss")),
        mss_received=read_number(document.get("mss_received")),
        router=read_text(router.get("address")),
        router_mtu=read_number(router.get("mtu")),
        hop=read_number(document.get("hop")),
        vanished_from=read_number(ends[0]),
        vanished_to=read_number(ends[1]),
        bars=list_bars(document),
        trials=list_trials(document),
    )
    if view.mtu is None and not view.trials:
        return None
    return Card("dashboard/cards/mtu.html", view)


def list_bars(document: Mapping[str, Any]) -> tuple[Bar, ...]:
    link = read_object(document.get("link"))
    sizes: list[tuple[Label, str, float | None, str]] = [
        (
            _("Link of the client"),
            read_text(link.get("name")),
            read_number(link.get("mtu")),
            "idle",
        ),
        (_("Path, measured"), "", read_number(document.get("mtu")), "good"),
        (_("Path, as the kernel believed"), "", read_number(document.get("kernel_mtu")), "idle"),
    ]
    largest = max((size for *_rest, size, _tone in sizes if size), default=0.0)
    return tuple(
        Bar(label, detail, size, round(BAR_UNITS * size / largest), tone)
        for label, detail, size, tone in sizes
        if size is not None and size > 0
    )


def list_trials(document: Mapping[str, Any]) -> tuple[Trial, ...]:
    trials = []
    for one in list_objects(document.get("tried"))[:MOST_TRIALS]:
        size, verdict = read_number(one.get("size")), read_text(one.get("verdict"))
        if size is not None:
            icon, tone, word = VERDICTS.get(verdict, ("circle-dashed", "idle", verdict))
            address, mtu = read_text(one.get("address")), read_number(one.get("mtu"))
            trials.append(Trial(size, icon, tone, word, address, mtu or None))
    return tuple(trials)
