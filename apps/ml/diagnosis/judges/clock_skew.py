from typing import ClassVar

from apps.ml.diagnosis.case import Case
from apps.ml.diagnosis.judgement import (
    Cleared,
    Evidence,
    Judgement,
    Layer,
    NotJudged,
    Priority,
    Symptom,
    Verdict,
)
from apps.ml.diagnosis.wording import say_seconds

LEAST_OFFSET_SECONDS = 1.0
# A certificate is judged by the host's clock.
CERTIFICATE_OFFSET_SECONDS = 3600.0


class ClockSkew:
    """The host's clock is wrong: times, one-way delays and certificates mislead."""

    cause: ClassVar = "clock_skew"
    title: ClassVar = "Clock is wrong"
    layer: ClassVar = Layer.HOST

    def judge(self, case: Case) -> Judgement:
        found = case.find_metric("ntp.offset")
        offset = found[0].values["ntp.offset"] if found else case.clock_offset_seconds
        if offset is None:
            return NotJudged(self.cause, "no heartbeat and no NTP test tells its offset")
        source = "an NTP server" if found else "this server"
        said = Evidence(
            f"The clock differs from {source} by {say_seconds(offset)}.",
            metric="ntp.offset" if found else "",
            value=offset,
            assignment_id=found[0].assignment_id if found else "",
        )
        if abs(offset) <= LEAST_OFFSET_SECONDS:
            return Cleared(self.cause, (said,))
        is_far = abs(offset) > CERTIFICATE_OFFSET_SECONDS
        is_tls_failing = any(
            one.kind in {"tls", "http"} and one.has_failed for one in case.iterate_results()
        )
        return Verdict(
            cause=self.cause,
            layer=self.layer,
            confidence=0.95,
            evidence=(said,),
            recommendation="Have the host keep its time by NTP (chrony, systemd-timesyncd); until "
            "then one-way delays and certificate checks of it mean nothing.",
            explains=frozenset({Symptom.FAILURE}) if is_far and is_tls_failing else frozenset(),
            priority=Priority.TODAY,
        )
