"""Which figures of a kind of test its health is made of, and what is usual for that kind."""

from collections.abc import Mapping
from dataclasses import dataclass

from apps.ml.algorithms.health import HealthProfile

INTERNET = HealthProfile()


@dataclass(frozen=True, slots=True)
class HealthInputs:
    """The catalogue's keys, empty where the kind measures nothing of the sort.

    Of `latency` the first key that a result has counts.
    """

    latency: tuple[str, ...] = ()
    jitter: str = ""
    loss: str = ""
    throughput: str = ""
    profile: HealthProfile = INTERNET

    @property
    def keys(self) -> tuple[str, ...]:
        """All of them, each once."""
        named = (*self.latency, self.jitter, self.loss, self.throughput)
        return tuple(key for key in named if key)


ROUND_TRIPS = HealthInputs(
    latency=("net.rtt.p95", "net.rtt.median", "net.rtt.tcp_connect"),
    jitter="net.jitter.rfc3550",
    loss="net.packet.loss.ratio",
)
OF_KINDS: Mapping[str, HealthInputs] = {
    "ping": ROUND_TRIPS,
    "udp_session": ROUND_TRIPS,
    "tcp": ROUND_TRIPS,
    "dns": HealthInputs(
        latency=("dns.lookup.duration",),
        loss="dns.timeout.ratio",
        profile=HealthProfile(latency_good_seconds=0.05, latency_bad_seconds=1.0),
    ),
    "http": HealthInputs(
        latency=("http.client.request.duration",),
        profile=HealthProfile(latency_good_seconds=0.3, latency_bad_seconds=4.0),
    ),
    "tls": HealthInputs(
        latency=("tls.handshake.duration",),
        profile=HealthProfile(latency_good_seconds=0.1, latency_bad_seconds=2.0),
    ),
    "ntp": HealthInputs(latency=("ntp.rtt",)),
    "trace": HealthInputs(latency=("path.hop.rtt.median",)),
    "throughput": HealthInputs(
        latency=("net.latency.loaded.download",), throughput="net.throughput.tcp.receive"
    ),
    "http_throughput": HealthInputs(
        latency=("net.latency.loaded.download",), throughput="net.throughput.http.download"
    ),
}
NOTHING = HealthInputs()


def find_inputs(kind: str) -> HealthInputs:
    """What the health of that kind is made of; of others availability and reliability alone."""
    return OF_KINDS.get(kind, NOTHING)


PRESETS: Mapping[str, HealthProfile] = {
    "lan": HealthProfile(
        availability_goal_ratio=0.999,
        latency_good_seconds=0.005,
        latency_bad_seconds=0.050,
        jitter_good_seconds=0.001,
        jitter_bad_seconds=0.020,
    ),
    "internet": INTERNET,
    "satellite": HealthProfile(
        availability_goal_ratio=0.99,
        latency_good_seconds=0.650,
        latency_bad_seconds=1.500,
        jitter_good_seconds=0.020,
        jitter_bad_seconds=0.200,
    ),
}
