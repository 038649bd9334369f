"""What a judge may answer."""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import ClassVar, Protocol

from apps.ml.diagnosis.case import Case, Observation, Usual


class Layer(IntEnum):
    """Where a cause lies, in the order in which a packet meets it; the first that fails wins."""

    AGENT = 0
    HOST = 1
    LAN = 2
    ACCESS = 3
    PATH = 4
    DNS = 5
    TLS = 6
    SERVER = 7


class Symptom(StrEnum):
    """What is wrong with a result, before anybody says why."""

    FAILURE = "failure"
    LATENCY = "latency"
    LOSS = "loss"
    JITTER = "jitter"
    THROUGHPUT = "throughput"
    SILENCE = "silence"


EVERY_SYMPTOM = frozenset(Symptom)


class Priority(IntEnum):
    """How soon somebody should act."""

    NOW = 1
    TODAY = 2
    PLANNED = 3
    NONE = 4


@dataclass(frozen=True, slots=True)
class Evidence:
    """One figure behind a judgement, in a sentence; `metric` is a key of the catalogue."""

    sentence: str
    metric: str = ""
    value: float | None = None
    usual: Usual | None = None
    assignment_id: str = ""
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong. Confidence from 0 to 1; `explains` says which symptoms can come from it."""

    cause: str
    layer: Layer
    confidence: float
    evidence: tuple[Evidence, ...]
    recommendation: str
    explains: frozenset[Symptom] = EVERY_SYMPTOM
    priority: Priority = Priority.TODAY
    explained_by: str = ""


@dataclass(frozen=True, slots=True)
class Cleared:
    """What was looked at and is not wrong."""

    cause: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class NotJudged:
    """Nothing can be said, because `missing` was not measured."""

    cause: str
    missing: str


Judgement = Verdict | Cleared | NotJudged


class Judge(Protocol):
    """One class of problems: what proves it, and what helps."""

    cause: ClassVar[str]
    title: ClassVar[str]
    layer: ClassVar[Layer]

    def judge(self, case: Case) -> Judgement: ...


@dataclass(slots=True)
class Proof:
    """Evidence gathered one by one; each piece makes the rest of the doubt smaller."""

    confidence: float = 0.0
    evidence: list[Evidence] = field(default_factory=list)

    def add(self, weight: float, evidence: Evidence) -> None:
        """A weight of 0.5 halves the doubt that is left; a negative one takes its share away."""
        if weight >= 0:
            self.confidence += (1 - self.confidence) * weight
        else:
            self.confidence *= 1 + weight
        self.evidence.append(evidence)


def refer(observation: Observation, sentence: str) -> Evidence:
    """The evidence that a result gives as a whole."""
    return Evidence(
        sentence=sentence, assignment_id=observation.assignment_id, run_id=observation.run_id
    )


def quote(observation: Observation, metric: str, sentence: str) -> Evidence:
    """The evidence that a result gives by one of its values."""
    return Evidence(
        sentence=sentence,
        metric=metric,
        value=observation.values.get(metric),
        usual=observation.usual.get(metric),
        assignment_id=observation.assignment_id,
        run_id=observation.run_id,
    )
