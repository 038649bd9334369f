from typing import ClassVar

from apps.ml.diagnosis.case import Case
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
)
from apps.ml.diagnosis.symptoms import is_silent
from apps.ml.diagnosis.wording import say_seconds

SITE_SHARE = 0.5


class AgentOffline:
    """The agent says nothing any more: nothing else about its host can be known."""

    cause: ClassVar = "agent_offline"
    title: ClassVar = "Agent offline"
    layer: ClassVar = Layer.AGENT

    def judge(self, case: Case) -> Judgement:
        age = case.heartbeat_age_seconds
        if age is None:
            return NotJudged(self.cause, "the agent was never heard")
        heard = Evidence(f"The last sign of life came {say_seconds(age)} ago.")
        if not is_silent(case):
            return Cleared(self.cause, (heard,))
        proof = Proof()
        proof.add(0.9, heard)
        # Not by name: who may see this client need not see those.
        silent = sum(one.is_failing for one in case.same_site)
        if case.same_site and silent > SITE_SHARE * len(case.same_site):
            counts = f"{silent} of {len(case.same_site)}"
            proof.add(0.3, Evidence(f"{counts} other agents of its site are silent as well."))
            advice = "The whole site is away: check its power and its uplink."
        else:
            if case.same_site:
                proof.add(0.3, Evidence("The other agents of its site are heard."))
            advice = "Look whether the host runs, then restart its agent."
        return Verdict(
            cause=self.cause,
            layer=self.layer,
            confidence=proof.confidence,
            evidence=tuple(proof.evidence),
            recommendation=advice,
            explains=frozenset({Symptom.SILENCE, Symptom.FAILURE}),
            priority=Priority.NOW,
        )
