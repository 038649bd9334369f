"""The `http` probe: a web request in its phases, checked for status and text."""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, get_args

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
from streamswarm_agent.probes.http_headers import read_cache, read_server_timing
from streamswarm_agent.probes.http_match import (
    MAX_JUDGED_BYTES,
    Wish,
    find_mismatch,
    read_wish,
)
from streamswarm_agent.probes.http_survey import (
    FindCanonicalName,
    Surveyor,
    WebSurvey,
    find_canonical_name,
    measure_survey,
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
from streamswarm_agent.probes.targets import WebAddress, parse_web_address

TlsFactory = Callable[[bool], ssl.SSLContext]


def make_tls_context(is_verified: bool) -> ssl.SSLContext:  # noqa: FBT001 - the parameter's name
    """A client context that trusts the host's authorities and those of certifi, or anybody."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    if not is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


TOLERATED_TIMES = 4


class HttpProbe:
    """Asks for the URL over a fresh connection each interval and follows redirects by hand.

    Success of a request: an expected status, the body as the test wants it (text, pattern, value in
    JSON; decoded, as UTF-8) and an unbroken answer. Phases are means in seconds of the last hop's
    over the requests that reached them; sizes, durations, redirects and ages are means over the
    answered requests; the status code is the last one; the content match is 1 only if all answers
    matched. Kept connections, caches, revalidation and the origin are tried once, at the end.
    `is_success`: at least one request succeeded.
    """

    kind: ClassVar[str] = "http"

    def __init__(
        self,
        clock: Clock,
        resolver: Resolver,
        make_tls: TlsFactory = make_tls_context,
        find_name: FindCanonicalName = find_canonical_name,
    ) -> None:
        self._clock = clock
        self._resolver = resolver
        self._make_tls = make_tls
        self._find_name = find_name

    async def run(self, request: ProbeRequest, emit: Emit) -> Outcome:
        """Ask for the run's duration; see the class. Raises: ProbeFailed, TargetRefused."""
        address = parse_web_address(request.target)
        parameters = request.parameters
        wish = read_wish(parameters)
        origin_url = parameters["origin_url"]
        origin = parse_web_address(origin_url, "origin_url") if origin_url else None
        expected = str(parameters["expected_status"])
        settings = await self._read_settings(parameters, wish)
        exchanger = Exchanger(self._clock, self._resolver, settings)

        async def attempt() -> Exchange:
            return await judge_body(await exchanger.fetch(address), wish)

        async def report(exchanges: Sequence[Exchange]) -> None:
            await emit(sample_of(_measure(exchanges, settings, expected, wish)))

        course = await AttemptSchedule(self._clock, request, attempt, report).run()
        survey = await self._survey(address, origin, settings, parameters["is_cache_measured"])
        measures = _measure(course.results, settings, expected, wish)
        edge = measures["http.client.phase.ttfb"]
        measures |= measure_survey(survey, None if isinstance(edge, str) else edge)
        measures |= _measure_server_timing(course.results)
        limit = float(parameters["apdex_seconds"])
        document = _count_contentment(course.results, expected, limit)
        return _conclude(course, expected, measures, document, survey=survey)

    async def _read_settings(self, parameters: Mapping[str, Any], wish: Wish) -> ExchangeSettings:
        return ExchangeSettings(
            method=parameters["method"],
            timeout_seconds=float(parameters["timeout_seconds"]),
            max_redirects=int(parameters["max_redirects"]),
            max_body_bytes=int(parameters["max_body_bytes"]),
            wanted_text=parameters["body_contains"],
            tls=await asyncio.to_thread(self._make_tls, parameters["is_certificate_verified"]),
            kept_bytes=MAX_JUDGED_BYTES + 1 if wish.is_any else 0,
        )

    async def _survey(
        self,
        address: WebAddress,
        origin: WebAddress | None,
        settings: ExchangeSettings,
        is_cache_wanted: bool,  # noqa: FBT001 - a parameter of the test, passed on
    ) -> WebSurvey:
        surveyor = Surveyor(self._clock, self._resolver, settings, self._find_name)
        survey = WebSurvey()
        if is_cache_wanted:
            survey = await surveyor.survey(address)
        if origin is not None:
            survey = replace(survey, origin=await surveyor.ask_origin(origin))
        return survey


async def judge_body(exchange: Exchange, wish: Wish) -> Exchange:
    """The exchange with what is wrong with its body, which is not kept any longer."""
    if exchange.answer is None or not wish.is_any:
        return exchange
    body = exchange.answer.body
    mismatch = await find_mismatch(body.content, wish, is_whole=body.is_whole)
    answer = replace(exchange.answer, body=replace(body, content=b""))
    return replace(exchange, answer=answer, mismatch=mismatch)


def is_expected_status(status_code: int, expected: str) -> bool:
    """Whether the status is in a list such as `200,404` or `2xx,3xx`."""
    return any(
        str(status_code) == item or (item.endswith("xx") and str(status_code)[0] == item[0])
        for item in expected.split(",")
    )


def _conclude(
    course: Course[Exchange],
    expected: str,
    measures: dict[str, Measure],
    document: dict[str, Any],
    *,
    survey: WebSurvey,
) -> Outcome:
    exchanges = course.results
    sample = sample_of(measures | measure_send_schedule(course.errors_seconds))
    failures = Counter(_failure_of(exchange, expected) for exchange in exchanges)
    failures.pop("", None)
    answered = [exchange for exchange in exchanges if exchange.answer]
    if answered and answered[-1].answer and answered[-1].answer.body.is_whole:
        document["body_sha256"] = answered[-1].answer.body.sha256
    return Outcome(
        is_success=sample.values.get("http.availability.ratio", 0.0) > 0,
        method="http",
        values=sample.values,
        absent=sample.absent,
        facts=_tell_facts(answered[-1].answer, survey) if answered else {},
        document={"failures": dict(failures.most_common(10)), **document},
        reason=describe_failures(failures),
    )


def _tell_facts(answer: Answer | None, survey: WebSurvey) -> dict[str, str]:
    if answer is None:
        return {}
    facts = {
        "http.protocol.version": answer.version,
        "http.compression.algorithm": answer.encoding[:100] or "identity",
        "http.cache.status": read_cache(answer.headers).status,
        "http.cdn.provider": survey.provider,
    }
    return {key: text for key, text in facts.items() if text}


def _count_contentment(
    exchanges: Sequence[Exchange], expected: str, limit_seconds: float
) -> dict[str, Any]:
    """What the server needs for the Apdex: requests within the limit, within four times of it, all.

    Source: Apdex technical specification 1.1; a failed request is a frustrated one.
    """
    durations = [
        exchange.duration_seconds
        for exchange in exchanges
        if exchange.duration_seconds is not None and not _failure_of(exchange, expected)
    ]
    satisfied = sum(seconds <= limit_seconds for seconds in durations)
    within = sum(seconds <= TOLERATED_TIMES * limit_seconds for seconds in durations)
    counts = {"satisfied": satisfied, "tolerating": within - satisfied, "all": len(exchanges)}
    return {"apdex": {"limit_seconds": limit_seconds, **counts}}


def _measure(
    exchanges: Sequence[Exchange], settings: ExchangeSettings, expected: str, wish: Wish
) -> dict[str, Measure]:
    good_count = sum(not _failure_of(exchange, expected) for exchange in exchanges)
    answers = [item.answer for item in exchanges if item.answer]
    return {
        **_measure_phases(exchanges),
        **_measure_redirects(exchanges),
        **_measure_answers(answers),
        **_measure_ages(answers),
        "http.content.match": _measure_match(exchanges, settings, wish),
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


def _measure_answers(answers: Sequence[Answer]) -> dict[str, Measure]:
    names = ("response.status_code", "response.size", "response.body.size", "compression.ratio")
    keys = [f"http.{name}" for name in names]
    if not answers:
        return dict.fromkeys(keys, "T")
    bodies = [answer.body for answer in answers]
    packed = [
        answer.body.decoded_bytes / answer.body.wire_bytes
        for answer in answers
        if answer.encoding in PACKED and answer.body.wire_bytes
    ]
    measures: tuple[Measure, ...] = (
        answers[-1].status_code,
        mean_or([body.wire_bytes for body in bodies], "T"),
        mean_or([body.decoded_bytes for body in bodies], "T"),
        mean_or(packed, "N"),
    )
    return dict(zip(keys, measures, strict=True))


def _measure_match(
    exchanges: Sequence[Exchange], settings: ExchangeSettings, wish: Wish
) -> Measure:
    answered = [item for item in exchanges if item.answer]
    if not answered:
        return "T"
    if not (settings.wanted_text or wish.is_any):
        return "N"
    return float(
        all(item.answer.body.is_match and not item.mismatch for item in answered if item.answer)
    )


def _measure_ages(answers: Sequence[Answer]) -> dict[str, Measure]:
    code: AbsentCode = "N" if answers else "T"
    notes = [read_cache(answer.headers) for answer in answers]
    ages = [note.age_seconds for note in notes if note.age_seconds is not None]
    limits = [note.max_age_seconds for note in notes if note.max_age_seconds is not None]
    return {
        "http.cache.age": mean_or(ages, code),
        "http.cache.max_age": mean_or(limits, code),
    }


def _measure_server_timing(exchanges: Sequence[Exchange]) -> dict[str, Measure]:
    """Of the last answer, by step; nothing when it names none."""
    answers = [item.answer for item in exchanges if item.answer]
    if not answers:
        return {}
    steps = read_server_timing(answers[-1].headers.get("server-timing", ""))
    return {f"http.server_timing.duration{{step={step}}}": steps[step] for step in sorted(steps)}


def _failure_of(exchange: Exchange, expected: str) -> str:
    """Why the request was no success; empty when it was."""
    if exchange.answer is None:
        return exchange.error
    if not is_expected_status(exchange.answer.status_code, expected):
        return f"status {exchange.answer.status_code}"
    return exchange.mismatch if exchange.answer.body.is_match else "the text is not in the body"
