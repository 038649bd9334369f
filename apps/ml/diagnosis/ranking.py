"""Of all that is wrong, what came first."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from apps.ml.diagnosis.case import Case
from apps.ml.diagnosis.judgement import (
    Cleared,
    Judge,
    Judgement,
    Layer,
    NotJudged,
    Symptom,
    Verdict,
)
from apps.ml.diagnosis.judges import JUDGES
from apps.ml.diagnosis.symptoms import find_symptoms, find_way_symptoms

# Below that a cause is a suspicion: it does not explain what lies behind it.
CERTAIN_ENOUGH = 0.5
# By these an overloaded host spoils what it measures.
SPOILED = frozenset({Symptom.LATENCY, Symptom.JITTER})
LEAST_CONFIDENCE = 0.2


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong, first cause first; what was ruled out, and what nobody could look at."""

    symptoms: frozenset[Symptom]
    verdicts: tuple[Verdict, ...]
    cleared: tuple[Cleared, ...]
    not_judged: tuple[NotJudged, ...]
    # The cause to look at; None when nothing is wrong with what was asked, or nothing explains it.
    first: Verdict | None = None


def diagnose(case: Case, judges: Mapping[str, Judge] = JUDGES) -> Diagnosis:
    """Every class judged, those that answer the question first, by the layer that fails first.

    A cause that is certain enough explains those behind it whose symptoms it can produce. Of the
    same layer the more certain one comes first. What does not answer the question follows: true,
    but another matter.
    """
    symptoms = find_symptoms(case)
    judgements = [judge.judge(case) for judge in judges.values()]
    found = list_verdicts(judgements)
    asked = symptoms or find_way_symptoms(case)
    answers = [one for one in found if is_answer(one, case, asked)]
    verdicts = order_answers(answers)
    others = [one for one in found if one not in answers]
    others.sort(key=lambda one: (one.priority, -one.confidence))
    return Diagnosis(
        symptoms=symptoms,
        verdicts=(*verdicts, *others),
        cleared=tuple(one for one in judgements if isinstance(one, Cleared)),
        not_judged=tuple(one for one in judgements if isinstance(one, NotJudged)),
        first=choose_first(verdicts, must_be_certain=case.observed is not None and not symptoms),
    )


def choose_first(verdicts: list[Verdict], *, must_be_certain: bool) -> Verdict | None:
    """The leading one; where nobody complains a suspicion is not enough."""
    if not verdicts or (must_be_certain and verdicts[0].confidence < CERTAIN_ENOUGH):
        return None
    return verdicts[0]


def list_verdicts(judgements: Iterable[Judgement]) -> list[Verdict]:
    return [
        one for one in judgements if isinstance(one, Verdict) and one.confidence >= LEAST_CONFIDENCE
    ]


def is_answer(verdict: Verdict, case: Case, symptoms: frozenset[Symptom]) -> bool:
    """Whether a verdict is about what was asked.

    About a client everything is. A result is wrong by its symptoms, or those of the way to its
    target, which the verdict has to explain. One without any may still be the evidence itself (a
    certificate that expires soon), or not be trusted for what is wrong with the host.
    """
    if case.observed is None:
        return True
    if symptoms:
        return bool(verdict.explains & symptoms)
    if verdict.layer <= Layer.HOST and verdict.explains & SPOILED:
        return True
    asked = case.observed.assignment_id
    return any(one.assignment_id == asked for one in verdict.evidence)


def order_answers(answers: list[Verdict]) -> list[Verdict]:
    ordered = sorted(
        answers, key=lambda one: (one.confidence < CERTAIN_ENOUGH, one.layer, -one.confidence)
    )
    first = ordered[0] if ordered else None
    if first is None or first.confidence < CERTAIN_ENOUGH:
        return ordered
    followers = [
        replace(one, explained_by=first.cause) if is_explained(one, first) else one
        for one in ordered[1:]
    ]
    return [first, *followers]


def is_explained(one: Verdict, first: Verdict) -> bool:
    """Whether the first cause makes the other: it lies before it, or beside it and is surer."""
    return one.layer >= first.layer and bool(one.explains & first.explains)
