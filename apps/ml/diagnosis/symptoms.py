"""What is wrong with a result, measured against its own past and against fixed limits."""

from apps.ml.diagnosis.case import Case, Observation, Usual
from apps.ml.diagnosis.judgement import Symptom

LATENCY_KEYS = (
    "net.rtt.p95",
    "net.rtt.median",
    "net.rtt.tcp_connect",
    "http.client.request.duration",
    "dns.lookup.duration",
    "tls.handshake.duration",
)
LOSS_KEYS = ("net.packet.loss.ratio", "dns.timeout.ratio")
JITTER_KEYS = ("net.jitter.rfc3550",)
THROUGHPUT_KEYS = (
    "net.throughput.tcp.receive",
    "net.throughput.http.download",
    "net.throughput.udp.receive",
)
SIGNAL_KEY, SNR_KEY = "wifi.signal", "wifi.snr"
WEAK_DBM = -70.0
POOR_SNR_DB = 15.0
LATENESS_KEY = "agent.send_schedule.error.p99"
WAY_KINDS = frozenset({"ping", "tcp", "udp_session"})
LEAST_LOSS_RATIO = 0.005
LEAST_RISE_SECONDS = 0.005
RISE_FACTOR = 1.3
JITTER_RISE_SECONDS = 0.003
FALL_FACTOR = 0.8
# Without a past: what nobody calls good.
HIGH_LATENCY_SECONDS = 0.3
HIGH_JITTER_SECONDS = 0.05


def find_symptoms(case: Case) -> frozenset[Symptom]:
    """The symptoms of the result in question, or of all results when it is about a client."""
    results = [case.observed] if case.observed is not None else list(case.related)
    found: set[Symptom] = set()
    for one in results:
        found |= list_symptoms(one)
    if is_silent(case):
        found.add(Symptom.SILENCE)
    return frozenset(found)


def find_way_symptoms(case: Case) -> frozenset[Symptom]:
    """The symptoms of the way itself: of what else was sent to this target, whatever was asked."""
    found: set[Symptom] = set()
    for one in case.related:
        if one.kind in WAY_KINDS:
            found |= list_symptoms(one)
    return frozenset(found)


def find_lateness(case: Case) -> float:
    """Seconds by which the host itself was late with its probes lately, 0.0 when nobody knows.

    What programs time themselves (look-ups, requests) is wrong by about that; round trips that the
    kernel stamps are not.
    """
    results = (*case.iterate_results(), *case.gateway)
    return max((one.values.get(LATENESS_KEY, 0.0) for one in results), default=0.0)


def is_radio_weak(case: Case) -> bool:
    """Whether the client's own radio says that its signal is too weak."""
    signal, snr = case.wifi.get(SIGNAL_KEY), case.wifi.get(SNR_KEY)
    return (signal is not None and signal < WEAK_DBM) or (snr is not None and snr < POOR_SNR_DB)


def is_silent(case: Case) -> bool:
    age = case.heartbeat_age_seconds
    return age is not None and age > 3 * case.heartbeat_interval_seconds


def list_symptoms(result: Observation) -> set[Symptom]:
    checks = {
        Symptom.FAILURE: result.has_failed,
        Symptom.LOSS: any(is_lossy(result, key) for key in LOSS_KEYS),
        Symptom.LATENCY: any(is_slow(result, key) for key in LATENCY_KEYS),
        Symptom.JITTER: any(is_unsteady(result, key) for key in JITTER_KEYS),
        Symptom.THROUGHPUT: any(is_starved(result, key) for key in THROUGHPUT_KEYS),
    }
    return {symptom for symptom, is_there in checks.items() if is_there}


def is_lossy(result: Observation, key: str) -> bool:
    loss = result.values.get(key)
    if loss is None:
        return False
    usual = result.usual.get(key)
    return loss >= max(LEAST_LOSS_RATIO, usual.high * RISE_FACTOR if usual else 0.0)


def is_slow(result: Observation, key: str) -> bool:
    seconds = result.values.get(key)
    if seconds is None:
        return False
    usual = result.usual.get(key)
    if usual is None:
        return seconds > HIGH_LATENCY_SECONDS
    return is_raised(seconds, usual, LEAST_RISE_SECONDS)


def is_raised(value: float, usual: Usual, least_rise: float) -> bool:
    """Whether a value lies clearly above what is usual: by a third of the edge, and by so much."""
    return value > usual.high * RISE_FACTOR and value - usual.median > least_rise


def is_unsteady(result: Observation, key: str) -> bool:
    seconds = result.values.get(key)
    if seconds is None:
        return False
    usual = result.usual.get(key)
    if usual is None:
        return seconds > HIGH_JITTER_SECONDS
    return is_raised(seconds, usual, JITTER_RISE_SECONDS)


def is_starved(result: Observation, key: str) -> bool:
    rate, usual = result.values.get(key), result.usual.get(key)
    return rate is not None and usual is not None and rate < usual.low * FALL_FACTOR
