"""What models say of a result, of a test and of what comes next, as pages draw it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.ml.algorithms.stages import Stage
from apps.ml.learners.outlook import ClientOutlook, Outlook, SeriesOutlook
from apps.ml.selectors.health_class import ClassBeside
from apps.ml.selectors.joint import ResultJudgement
from apps.ml.selectors.joint_sentences import Part, name_subject, read_part
from apps.ml.selectors.stages import describe_stage

MINUS = "\N{MINUS SIGN}"
# The scale of a score ends here, or at a score that is greater.
LEAST_SCALE = 2.0
# Below, points would be written as none.
LEAST_POINTS = 0.5
# How a state of learning is told: tone, icon and word together.
STAGES: Mapping[Stage, tuple[str, str, str | Promise]] = {
    Stage.LEARNING: ("idle", "circle-dashed", gettext_lazy("learning")),
    Stage.PROVISIONAL: ("busy", "clock", gettext_lazy("provisional")),
    Stage.EARLY: ("busy", "eye", gettext_lazy("early")),
    Stage.FULL: ("good", "circle-check", gettext_lazy("learned")),
}


@dataclass(frozen=True, slots=True)
class ContributionBar:
    """A contribution in words, and its bar in percent of the longest one."""

    part: Part
    points: str
    length: float

    @property
    def is_less(self) -> bool:
        return self.part.points < 0


@dataclass(frozen=True, slots=True)
class WholeCard:
    """A result as a whole: its score on a scale, in percent of its width, and what made it."""

    judged: ResultJudgement
    stage_words: str
    bars: tuple[ContributionBar, ...]
    score_place: float = 0.0
    edge_place: float = 0.0

    @property
    def tone(self) -> str:
        if self.judged.score is None:
            return "idle"
        if not self.judged.is_unusual:
            return "good"
        return "warning" if self.judged.is_provisional else "bad"


@dataclass(frozen=True, slots=True)
class LearningRow:
    """A line of what is learned: its stage by tone, icon and word, and the share of what it needs.

    `share` is from 0 to 1; None where there is nothing to count.
    """

    title: str | Promise
    tone: str
    icon: str
    word: str | Promise
    words: str
    share: float | None = None
    version_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ClassCard:
    """The learned class beside the score: both probabilities in percent, and what made it."""

    beside: ClassBeside
    bars: tuple[ContributionBar, ...] = ()
    missed_percent: float = 0.0
    usual_percent: float = 0.0

    @property
    def kept_percent(self) -> float:
        return 100 - self.missed_percent


def describe_whole(judged: ResultJudgement) -> WholeCard:
    words = describe_stage(judged.stage)
    if judged.score is None:
        return WholeCard(judged, words, ())
    longest = max(LEAST_SCALE, judged.score * 1.05)
    return WholeCard(
        judged=judged,
        stage_words=words,
        bars=draw_bars([read_part(one) for one in judged.contributions]),
        score_place=100 * judged.score / longest,
        edge_place=100 / longest,
    )


def draw_bars(parts: Sequence[Part]) -> tuple[ContributionBar, ...]:
    longest = max((abs(part.points) for part in parts), default=0.0) or 1.0
    return tuple(
        ContributionBar(part, sign(part.points), 100 * abs(part.points) / longest) for part in parts
    )


def sign(points: float) -> str:
    """So many points more or less, with a sign that says which."""
    return f"{'+' if points >= 0 else MINUS}{abs(points):.0f}"


def describe_class(beside: ClassBeside) -> ClassCard:
    if beside.found is None:
        return ClassCard(beside)
    parts = [
        Part(name_subject(subject), "", "", points)
        for subject, points in beside.found.contributions.items()
        if abs(points) >= LEAST_POINTS
    ]
    return ClassCard(
        beside,
        draw_bars(parts),
        100 * beside.found.probability,
        100 * beside.found.usual,
    )


def describe_learning(outlooks: Sequence[Outlook], series: SeriesOutlook) -> list[LearningRow]:
    """A line for each kind of model of a test on a client, and one for its single series."""
    return [describe_series(series), *(describe_outlook(one) for one in outlooks)]


def describe_outlook(outlook: Outlook) -> LearningRow:
    tone, icon, word = STAGES[outlook.stage]
    is_waiting = outlook.stage == Stage.LEARNING and outlook.count >= outlook.needed
    return LearningRow(
        title=outlook.title,
        tone=tone,
        icon=icon,
        word=_("no model") if is_waiting else word,
        words=outlook.words,
        share=None if is_waiting else outlook.share,
        version_id=outlook.version.id if outlook.version else None,
    )


def describe_series(series: SeriesOutlook) -> LearningRow:
    """Series are learned each by itself, one five-minute mean after the other."""
    total = series.judged + series.learning
    title = _("Each metric by its own past")
    if not total:
        tone, icon, word = STAGES[Stage.LEARNING]
        words = _("no five minutes were judged yet; a metric is judged from %(needed)d of them on")
        return LearningRow(title, tone, icon, word, words % {"needed": series.needed}, 0.0)
    figures = {"judged": series.judged, "total": total, "needed": series.needed}
    if not series.learning:
        tone, icon, word = STAGES[Stage.FULL]
        words = _("%(judged)d of %(total)d metrics are judged every five minutes") % figures
        return LearningRow(title, tone, icon, word, words, 1.0)
    tone, icon, word = STAGES[Stage.LEARNING if not series.judged else Stage.EARLY]
    words = _("%(judged)d of %(total)d metrics are judged, the others learn %(count)d/%(needed)d")
    words %= {**figures, "count": series.least_values}
    return LearningRow(title, tone, icon, word, words, series.least_values / series.needed)


def describe_client_learning(
    outlooks: Sequence[ClientOutlook], series: SeriesOutlook
) -> list[LearningRow]:
    """A line for each kind of model over the tests of a client, and one for its series."""
    return [describe_series(series), *(describe_tests(one) for one in outlooks if one.test_count)]


def describe_tests(outlook: ClientOutlook) -> LearningRow:
    used: dict[Stage, int] = dict(outlook.stages)
    used.pop(Stage.LEARNING, None)
    tone, icon, word = STAGES[max(used, key=lambda stage: used[stage]) if used else Stage.LEARNING]
    counts = [f"{outlook.stages[one]} {STAGES[one][2]}" for one in Stage if outlook.stages.get(one)]
    figures: dict[str, Any] = {"count": outlook.test_count, "counts": ", ".join(counts)}
    words = _("of %(count)d tests: %(counts)s") % figures
    if outlook.furthest is not None:
        further = _("the furthest that learns has %(count)d/%(needed)d results")
        standing = {"count": outlook.furthest.count, "needed": outlook.furthest.needed}
        words = f"{words}; {further % standing}"
    return LearningRow(
        outlook.title, tone, icon, word, words, sum(used.values()) / outlook.test_count
    )
