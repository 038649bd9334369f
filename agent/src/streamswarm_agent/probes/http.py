"""The `http` probe: a web request in its phases, checked for status and text."""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from typing import ClassVar, get_args

import certifi

from streamswarm_agent.probes.base import Clock, Emit, Outcome, ProbeRequest, Resolver
from streamswarm_agent.probes.http_body import PACKED
from streamswarm_agent.probes.http_exchange import (
    Answer,
    Exchange,
    Exchanger,
    ExchangeSettings,
    Phase,
)
from streamswarm_agent.probes.measures import (
    AbsentCode,
    Measure,
    describe_failures,
    mean_or,
    measure_send_schedule,
    ratio,
    sample_of,
)
from streamswarm_agent.probes.schedule import AttemptSchedule, Course
from streamswarm_agent.probes.targets import parse_web_address

TlsFactory = Callable[[bool], ssl.SSLContext]


def make_tls_context(is_verified: bool) -> ssl.SSLContext:  # noqa: FBT001 - the parameter's name
    """A client context that trusts the host's authorities and those of certifi, or anybody."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    if not is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class HttpProbe:
    """Asks for the URL over a fresh connection each interval and follows redirects by hand.

    Success of a request: an expected status, the text in the body (decoded, as UTF-8) and an
    unbroken answer. Phases are means in seconds of the last hop's over the requests that reached
    them; sizes, durations and redirects are means over the answered requests; the status code is
    the last one; the content match is 1 only if all answers matched. `is_success`: at least one
    request succeeded.
    """

    kind: ClassVar[str] = "http"

    def __init__(
        self, clock: Clock, resolver: Resolver, make_tls: TlsFactory = make_tls_context
    ) -> None:
        self._clock = clock
        self._resolver = resolver
        self._make_tls = make_tls

    async def run(self, request: ProbeRequest, emit: Emit) -> Outcome:
        """Ask for the run's duration; see the class. Raises: ProbeFailed, TargetRefused."""
        address = parse_web_address(request.target)
        parameters = request.parameters
        expected = str(parameters["expected_status"])
        settings = ExchangeSettings(
            method=parameters["method"],
            timeout_seconds=float(parameters["timeout_seconds"]),
            max_redirects=int(parameters["max_redirects"]),
            max_body_bytes=int(parameters["max_body_bytes"]),
            wanted_text=parameters["body_contains"],
            tls=await asyncio.to_thread(self._make_tls, parameters["is_certificate_verified"]),
        )
        exchanger = Exchanger(self._clock, self._resolver, settings)

        async def report(exchanges: Sequence[Exchange]) -> None:
            await emit(sample_of(_measure(exchanges, settings, expected)))

        schedule = AttemptSchedule(self._clock, request, lambda: exchanger.fetch(address), report)
        return _conclude(await schedule.run(), settings, expected)


def is_expected_status(status_code: int, expected: str) -> bool:
    """Whether the status is in a list such as `200,404` or `2xx,3xx`."""
    return any(
        str(status_code) == item or (item.endswith("xx") and str(status_code)[0] == item[0])
        for item in expected.split(",")
    )


def _conclude(course: Course[Exchange], settings: ExchangeSettings, expected: str) -> Outcome:
    exchanges = course.results
    measures = _measure(exchanges, settings, expected)
    sample = sample_of(measures | measure_send_schedule(course.errors_seconds))
    failures = Counter(_failure_of(exchange, expected) for exchange in exchanges)
    failures.pop("", None)
    answers = [exchange.answer for exchange in exchanges if exchange.answer]
    facts = {}
    if answers:
        facts["http.protocol.version"] = answers[-1].version
        facts["http.compression.algorithm"] = answers[-1].encoding[:100] or "identity"
    return Outcome(
        is_success=sample.values.get("http.availability.ratio", 0.0) > 0,
        method="http",
        values=sample.values,
        absent=sample.absent,
        facts=facts,
        document={"failures": dict(failures.most_common(10))},
        reason=describe_failures(failures),
    )


def _measure(
    exchanges: Sequence[Exchange], settings: ExchangeSettings, expected: str
) -> dict[str, Measure]:
    good_count = sum(not _failure_of(exchange, expected) for exchange in exchanges)
    return {
        **_measure_phases(exchanges),
        **_measure_redirects(exchanges),
        **_measure_answers([item.answer for item in exchanges if item.answer], settings),
        "http.client.request.duration": mean_or(
            [item.duration_seconds for item in exchanges if item.duration_seconds is not None], "T"
        ),
        "http.availability.ratio": ratio(good_count, len(exchanges)),
    }


def _measure_phases(exchanges: Sequence[Exchange]) -> dict[str, Measure]:
    codes: dict[Phase, AbsentCode] = {
        "dns": "T" if any(item.is_name_looked_up for item in exchanges) else "N",
        "tls": "T" if any(item.is_encrypted for item in exchanges) else "N",
    }
    phases: tuple[Phase, ...] = get_args(Phase)
    return {
        f"http.client.phase.{phase}": mean_or(
            [item.phases[phase] for item in exchanges if phase in item.phases],
            codes.get(phase, "T"),
        )
        for phase in phases
    }


def _measure_redirects(exchanges: Sequence[Exchange]) -> dict[str, Measure]:
    answered = [item for item in exchanges if item.answer]
    redirected = [item.redirect_seconds for item in answered if item.redirect_count]
    return {
        "http.redirect.count": mean_or([item.redirect_count for item in answered], "T"),
        "http.redirect.duration": mean_or(redirected, "N" if answered else "T"),
    }


def _measure_answers(answers: Sequence[Answer], settings: ExchangeSettings) -> dict[str, Measure]:
    names = ("response.status_code", "response.size", "response.body.size")
    keys = [*(f"http.{name}" for name in names), "http.compression.ratio", "http.content.match"]
    if not answers:
        return dict.fromkeys(keys, "T")
    bodies = [answer.body for answer in answers]
    packed = [
        answer.body.decoded_bytes / answer.body.wire_bytes
        for answer in answers
        if answer.encoding in PACKED and answer.body.wire_bytes
    ]
    is_match = all(body.is_match for body in bodies)
    measures: tuple[Measure, ...] = (
        answers[-1].status_code,
        mean_or([body.wire_bytes for body in bodies], "T"),
        mean_or([body.decoded_bytes for body in bodies], "T"),
        mean_or(packed, "N"),
        float(is_match) if settings.wanted_text else "N",
    )
    return dict(zip(keys, measures, strict=True))


def _failure_of(exchange: Exchange, expected: str) -> str:
    """Why the request was no success; empty when it was."""
    if exchange.answer is None:
        return exchange.error
    if not is_expected_status(exchange.answer.status_code, expected):
        return f"status {exchange.answer.status_code}"
    return "" if exchange.answer.body.is_match else "the text is not in the body"
