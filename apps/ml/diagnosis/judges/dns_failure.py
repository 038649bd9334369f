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
from apps.ml.diagnosis.symptoms import is_lossy
from apps.ml.diagnosis.wording import say_ratio

TIMEOUTS, CODE = "dns.timeout.ratio", "dns.response.code"
BROKEN_CODES = frozenset({"SERVFAIL", "REFUSED", "NXDOMAIN", "FORMERR", "NOTIMP"})
HALF = 0.5
UNRESOLVED_WORDS = ("has no address", "name or service", "resolve", "nxdomain", "name resolution")
REACHING_KINDS = frozenset({"ping", "tcp", "udp_session", "trace"})


class DnsFailure:
    """Names are not resolved while addresses can be reached."""

    cause: ClassVar = "dns_failure"
    title: ClassVar = "DNS fails"
    layer: ClassVar = Layer.DNS

    def judge(self, case: Case) -> Judgement:
        asked = case.find_kind("dns")
        unresolved = [one for one in case.iterate_results() if is_unresolved(one)]
        if asked is None and not unresolved:
            return NotJudged(self.cause, "no DNS test from this client: add one of its resolver")
        proof = Proof()
        if asked is not None:
            weigh_answers(proof, asked)
        for one in unresolved:
            sentence = f"The {one.kind} test could not resolve {one.target}: {one.reason}."
            proof.add(0.7, refer(one, sentence))
        if not proof.evidence:
            return Cleared(self.cause, (Evidence("The resolver answers."),))
        weigh_neighbours(proof, case, asked)
        return Verdict(
            cause=self.cause,
            layer=self.layer,
            confidence=proof.confidence,
            evidence=tuple(proof.evidence),
            recommendation="Check the DNS server and its forwarders; use another resolver until "
            "it answers.",
            explains=frozenset({Symptom.FAILURE, Symptom.LOSS, Symptom.LATENCY}),
            priority=Priority.NOW,
        )


def is_unresolved(one: Observation) -> bool:
    reason = one.reason.lower()
    return one.has_failed and any(word in reason for word in UNRESOLVED_WORDS)


def weigh_answers(proof: Proof, asked: Observation) -> None:
    code = asked.facts.get(CODE, "")
    timeouts = asked.values.get(TIMEOUTS, 0.0)
    if is_lossy(asked, TIMEOUTS) and timeouts > 0:
        share = say_ratio(timeouts)
        proof.add(
            0.7 if timeouts >= HALF else 0.45,
            quote(asked, TIMEOUTS, f"{share} of the queries get no answer."),
        )
    if asked.has_failed and code in BROKEN_CODES:
        proof.add(0.8, quote(asked, CODE, f"The resolver answers {code}."))


def weigh_neighbours(proof: Proof, case: Case, asked: Observation | None) -> None:
    """Other resolvers that answer, and addresses that are reached, put it on this resolver."""
    rows = asked.document.get("resolvers", ()) if asked is not None else ()
    good = [
        str(row.get("resolver")) for row in rows if isinstance(row, dict) and not row.get("error")
    ]
    if good:
        proof.add(0.4, Evidence(f"Another resolver answers: {', '.join(good[:3])}."))
    reached = [
        one for one in case.iterate_results() if one.kind in REACHING_KINDS and one.is_success
    ]
    if reached:
        one = reached[0]
        sentence = f"Its address is reached by {one.kind}."
        proof.add(0.3, refer(one, sentence))
    elif any(one.kind == "ping" and one.has_failed for one in case.iterate_results()):
        proof.add(-0.5, Evidence("The resolver's host does not answer pings either."))
