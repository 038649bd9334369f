from typing import ClassVar

from apps.ml.diagnosis.case import Case, Observation
from apps.ml.diagnosis.judgement import (
    Cleared,
    Evidence,
    Judgement,
    Layer,
    NotJudged,
    Priority,
    Proof,
    Symptom,
    Verdict,
    quote,
    refer,
)

APPLICATION_KINDS = ("tcp", "http", "tls", "http_throughput")
STATUS = "http.response.status_code"
FIRST_SERVER_ERROR = 500
REFUSED_WORDS = ("refused", "reset")
SILENT_WORDS = ("no answer in time", "timed out", "timeout")
PINGED_KINDS = frozenset({"ping", "udp_session", "trace"})


class ServerDown:
    """The service refuses, resets or answers with errors, while its host is reached."""

    cause: ClassVar = "server_down"
    title: ClassVar = "Server refuses or is down"
    layer: ClassVar = Layer.SERVER

    def judge(self, case: Case) -> Judgement:
        asked = [one for one in case.iterate_results() if one.kind in APPLICATION_KINDS]
        if not asked:
            return NotJudged(self.cause, "no TCP or HTTP test of this target: add one")
        proof = Proof()
        for one in asked:
            weigh_answer(proof, one)
        if not proof.evidence:
            return Cleared(self.cause, (Evidence("The service answers."),))
        weigh_host(proof, case)
        weigh_siblings(proof, case)
        return Verdict(
            cause=self.cause,
            layer=self.layer,
            confidence=proof.confidence,
            evidence=tuple(proof.evidence),
            recommendation="Look at the service and its log; restart it if it hangs.",
            explains=frozenset({Symptom.FAILURE, Symptom.LOSS}),
            priority=Priority.NOW,
        )


def weigh_answer(proof: Proof, one: Observation) -> None:
    reason = one.reason.lower()
    status = one.values.get(STATUS)
    if status is not None and status >= FIRST_SERVER_ERROR:
        sentence = f"The server answers with status {status:.0f}."
        proof.add(0.9, quote(one, STATUS, sentence))
    elif one.has_failed and any(word in reason for word in REFUSED_WORDS):
        proof.add(0.85, refer(one, f"The {one.kind} test is refused: {one.reason}."))
    elif one.has_failed and any(word in reason for word in SILENT_WORDS):
        proof.add(0.35, refer(one, f"The {one.kind} test gets no answer: {one.reason}."))


def weigh_host(proof: Proof, case: Case) -> None:
    for one in case.iterate_results():
        if one.kind not in PINGED_KINDS:
            continue
        if one.is_success:
            proof.add(0.4, refer(one, f"Its host is reached by {one.kind}."))
        elif one.has_failed:
            proof.add(-0.5, refer(one, f"Its host is not reached by {one.kind} either."))
        return


def weigh_siblings(proof: Proof, case: Case) -> None:
    others = [one.is_failing for one in case.same_target]
    if not others:
        return
    if sum(others) > len(others) / 2:
        sentence = f"{sum(others)} of {len(others)} other agents have the same trouble with it."
        proof.add(0.6, Evidence(sentence))
    elif not any(others):
        proof.add(-0.5, Evidence("Other agents are served well."))
