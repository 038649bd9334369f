"""Of all that is wrong, what came first."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from apps.ml.diagnosis.case import Case
from apps.ml.diagnosis.judgement import (
    Cleared,
    Judge,
    Judgement,
    NotJudged,
    Symptom,
    Verdict,
)
from apps.ml.diagnosis.judges import JUDGES
from apps.ml.diagnosis.symptoms import find_symptoms

# Below that a cause is a suspicion: it does not explain what lies behind it.
CERTAIN_ENOUGH = 0.5
LEAST_CONFIDENCE = 0.2


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong, first cause first; what was ruled out, and what nobody could look at."""

    symptoms: frozenset[Symptom]
    verdicts: tuple[Verdict, ...]
    cleared: tuple[Cleared, ...]
    not_judged: tuple[NotJudged, ...]

    @property
    def first(self) -> Verdict | None:
        """The cause to look at, unless nothing explains the symptoms."""
        if not self.verdicts:
            return None
        leading = self.verdicts[0]
        return leading if not self.symptoms or leading.explains & self.symptoms else None


def diagnose(case: Case, judges: Mapping[str, Judge] = JUDGES) -> Diagnosis:
    """Every class judged, those that explain the symptoms first, by the layer that fails first.

    A cause that is certain enough explains those behind it whose symptoms it can produce. Of the
    same layer the more certain one comes first. What explains no symptom of the result in question
    follows: true, but another matter.
    """
    symptoms = find_symptoms(case)
    judgements = [judge.judge(case) for judge in judges.values()]
    return Diagnosis(
        symptoms=symptoms,
        verdicts=tuple(order_verdicts(list_verdicts(judgements), symptoms)),
        cleared=tuple(one for one in judgements if isinstance(one, Cleared)),
        not_judged=tuple(one for one in judgements if isinstance(one, NotJudged)),
    )


def list_verdicts(judgements: Iterable[Judgement]) -> list[Verdict]:
    return [
        one for one in judgements if isinstance(one, Verdict) and one.confidence >= LEAST_CONFIDENCE
    ]


def order_verdicts(verdicts: list[Verdict], symptoms: frozenset[Symptom]) -> list[Verdict]:
    explaining = [one for one in verdicts if not symptoms or one.explains & symptoms]
    others = [one for one in verdicts if one not in explaining]
    explaining.sort(key=lambda one: (one.confidence < CERTAIN_ENOUGH, one.layer, -one.confidence))
    others.sort(key=lambda one: (one.priority, -one.confidence))
    first = explaining[0] if explaining else None
    if first is None or first.confidence < CERTAIN_ENOUGH:
        return explaining + others
    followers = [
        replace(one, explained_by=first.cause) if is_explained(one, first) else one
        for one in explaining[1:]
    ]
    return [first, *followers, *others]


def is_explained(one: Verdict, first: Verdict) -> bool:
    """Whether the first cause makes the other: it lies before it, or beside it and is surer."""
    return one.layer >= first.layer and bool(one.explains & first.explains)
