"""What is done to a network, a server or a host, and the cause that a diagnosis should name."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

from streamswarm_agent.collectors.filesystem import FilesystemCollector
from tests.injection.site import CROWD_PORT, QOS_PORT, THROUGHPUT_PORT

HOG = "while True: pass"
HOG_COUNT = 4
IMAGE_BYTES = 16 << 20
HEARTBEAT_SECONDS = 30.0
HOST_TEST = {"kind": "host", "target": "agent", "seconds": 1.5, "parameters": {"part": "cpu"}}
MTU_TEST = {"kind": "mtu", "seconds": 8, "parameters": {"timeout_seconds": 1}}
NTP_TEST = {"kind": "ntp", "seconds": 2, "parameters": {"interval_seconds": 1}}
TRANSFER_TEST = {
    "kind": "throughput", "seconds": 5, "port": THROUGHPUT_PORT,
    "parameters": {"direction": "upload", "omit_seconds": 1, "congestion": "cubic"},
}  # fmt: skip
SWEEP_TEST = {
    "kind": "qos", "seconds": 6, "port": QOS_PORT,
    "parameters": {
        "has_sweep": True, "has_ecn": False, "classes": "0,10,46", "interval_seconds": 0.05,
        "sweep_megabits": 20,
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Injected:
    """What was done, in numbers; which test is asked about, or "" for the whole client.

    `beside` run with the usual tests, `alone` after them. `facts`: fields of the case that no probe
    can measure here.
    """

    parameters: dict = field(default_factory=dict)
    asked: str = "ping"
    beside: tuple = ()
    alone: tuple = ()
    facts: dict = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    cause: str
    family: str
    inject: Callable


@contextmanager
def nothing(network, chance, number):
    asked = ("ping", "http", "", "dns")[number % 4]
    yield Injected(asked=asked, beside=(MTU_TEST,) if number % 2 else ())


@contextmanager
def congest(network, chance, number):
    """Others fill the line in bursts; its queue empties now and then."""
    rate, queue_seconds = chance.uniform(4e6, 10e6), chance.uniform(0.06, 0.25)
    share, seconds_on = chance.uniform(1.2, 1.6), chance.uniform(0.3, 0.5)
    network.impair({"rate_bits_per_second": rate, "queue_bytes": int(rate * queue_seconds / 8)})
    bits = rate * share
    words = [network.target, str(CROWD_PORT), str(bits), str(seconds_on), "0.2"]
    crowd = network.topology.hosts["hop1"].start(
        [sys.executable, "-m", "tests.injection.crowd", *words], cwd=Path(__file__).parents[2]
    )
    try:
        yield Injected(
            {"rate": rate, "queue_seconds": queue_seconds, "share": share},
            asked=("ping", "tcp", "http")[number % 3],
        )
    finally:
        crowd.kill()
        crowd.wait()


@contextmanager
def bloat(network, chance, number):
    """A deep queue, which nobody fills but the transfer."""
    rate, queue_seconds = chance.uniform(3e6, 8e6), chance.uniform(0.25, 0.8)
    network.impair({"rate_bits_per_second": rate, "queue_bytes": int(rate * queue_seconds / 8)})
    yield Injected(
        {"rate": rate, "queue_seconds": queue_seconds}, asked="throughput", alone=(TRANSFER_TEST,)
    )


@contextmanager
def police(network, chance, number):
    rate, burst = chance.uniform(3e6, 12e6), chance.randrange(20_000, 90_000)
    network.impair({"policer_bits_per_second": rate, "policer_burst_bytes": burst})
    asked, alone = (("throughput", TRANSFER_TEST), ("qos", SWEEP_TEST))[number % 2]
    yield Injected({"rate": rate, "burst": burst}, asked=asked, alone=(alone,))


@contextmanager
def lose(network, chance, number):
    """Losses at random, in bursts, or a way that leads nowhere."""
    sort = ("random", "burst", "nowhere")[number % 3]
    ratio = chance.uniform(0.03, 0.25)
    if sort == "random":
        network.impair({"drop_ratio": ratio, "seed": number + 1}, {"drop_ratio": ratio / 4})
    elif sort == "burst":
        length = chance.randrange(3, 8)
        network.impair({"burst_every": int(length / ratio), "burst_length": length})
    else:
        network.impair({"drop_ratio": 1.0})
    yield Injected({"sort": sort, "ratio": ratio}, asked=("ping", "ping", "tcp")[number % 3])


@contextmanager
def swallow_large(network, chance, number):
    """Packets above a size vanish without an error, both ways."""
    size = chance.randrange(1260, 1460)
    narrow = {"mtu_bytes": size, "is_mtu_silent": True}
    network.impair(narrow, narrow)
    network.behave(web_bytes=40_000)
    yield Injected({"mtu": size}, asked=("mtu", "http")[number % 2], beside=(MTU_TEST,))


@contextmanager
def break_names(network, chance, number):
    sort = ("SERVFAIL", "silent", "REFUSED")[number % 3]
    ratio = chance.uniform(0.5, 1.0)
    if sort == "silent":
        network.behave(dns_silence_ratio=ratio)
    else:
        network.behave(dns_code=sort)
    yield Injected({"sort": sort, "ratio": ratio}, asked="dns")


@contextmanager
def slow_names(network, chance, number):
    seconds = chance.uniform(0.2, 0.8)
    network.behave(dns_seconds=seconds)
    yield Injected({"seconds": seconds}, asked="dns")


@contextmanager
def spoil_certificate(network, chance, number):
    sort = ("expired", "self_signed", "other_name", "soon", "without_issuer")[number % 5]
    network.behave(certificate=sort)
    yield Injected({"sort": sort}, asked="tls")


@contextmanager
def slow_server(network, chance, number):
    seconds = chance.uniform(0.4, 1.6)
    network.behave(web_seconds=seconds)
    yield Injected({"seconds": seconds}, asked="http")


@contextmanager
def stop_server(network, chance, number):
    """The port is closed, answers with errors, or takes the question and never answers."""
    sort = ("refused", "error", "hanging")[number % 3]
    status = chance.choice((500, 502, 503, 504))
    behaviour = {
        "refused": {"is_web_open": False},
        "error": {"web_status": status},
        "hanging": {"is_web_hanging": True},
    }
    network.behave(**behaviour[sort])
    asked = chance.choice(("tcp", "http")) if sort == "refused" else "http"
    yield Injected({"sort": sort, "status": status}, asked=asked)


@contextmanager
def skew_clock(network, chance, number):
    """By an NTP server that is so far from the host, or as its heartbeats tell."""
    ahead = chance.choice((-1, 1)) * chance.choice((2.5, 30.0, 900.0, 86_400.0 * 30))
    ahead *= chance.uniform(0.8, 1.5)
    if number % 2:
        yield Injected({"ahead": ahead}, asked="", facts={"clock_offset_seconds": ahead})
        return
    network.behave(clock_ahead_seconds=ahead)
    yield Injected({"ahead": ahead}, asked="", beside=(NTP_TEST,))


@contextmanager
def occupy_host(network, chance, number):
    with ExitStack() as cleanup:
        for _ in range(HOG_COUNT):
            hog = cleanup.enter_context(subprocess.Popen([sys.executable, "-c", HOG]))
            cleanup.callback(hog.kill)
        yield Injected(
            {"hogs": HOG_COUNT}, asked=("ping", "http", "tcp", "")[number % 4],
            beside=(HOST_TEST,), facts={"busiest_process": "python3"},
        )  # fmt: skip


@contextmanager
def fill_disk(network, chance, number):
    """A small file system that is full, as the agent's collector sees it."""
    ratio = chance.uniform(0.96, 1.0)
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={IMAGE_BYTES}", "tmpfs", folder]
        subprocess.run(mount, check=True)
        try:
            (Path(folder) / "filling").write_bytes(bytes(int(IMAGE_BYTES * ratio) - 8192))
            mounted = SimpleNamespace(mountpoint=folder, fstype="tmpfs", device="tmpfs", opts="rw")
            (frame,) = FilesystemCollector(read_mounts=lambda: [mounted]).collect().frames
        finally:
            subprocess.run(["umount", folder], check=True)
    system = {
        "mount": "/var",
        "utilization_ratio": frame.values["system.filesystem.utilization"],
        "is_read_only": bool(frame.values["system.filesystem.read_only"]),
    }
    yield Injected({"ratio": ratio}, asked="", facts={"file_systems": [system]})


@contextmanager
def silence_agent(network, chance, number):
    """What it last measured was well; then no heartbeat came."""
    age = HEARTBEAT_SECONDS * chance.uniform(4, 200)
    sites = [[], [False, False], [True, True, False]][number % 3]
    facts = {
        "heartbeat_age_seconds": age,
        "same_site": [
            {"name": f"host-{place}", "is_failing": one} for place, one in enumerate(sites)
        ],
    }
    yield Injected({"age": age}, asked=("", "ping")[number % 2], facts=facts)


@contextmanager
def spoil_lan(network, chance, number):
    """Loss, delay, or nothing at all before the first router, by cable."""
    sort = ("loss", "delay", "cut")[number % 3]
    ratio, seconds = chance.uniform(0.03, 0.2), chance.uniform(0.015, 0.06)
    if sort == "loss":
        network.impair({"drop_ratio": ratio, "seed": number + 1})
    elif sort == "delay":
        network.impair({"delay_seconds": seconds, "jitter_seconds": seconds / 2})
    else:
        network.impair({"drop_ratio": 1.0})
    links = [{"name": "eth0", "is_up": True, "error_rate": chance.choice((0.0, 0.0, 3.0))}]
    yield Injected(
        {"sort": sort, "ratio": ratio, "seconds": seconds},
        asked=("ping", "http", "tcp")[number % 3], facts={"links": links},
    )  # fmt: skip


@contextmanager
def weaken_radio(network, chance, number):
    """The first link loses and wavers; what the radio says of itself is made up: there is none."""
    ratio, seconds = chance.uniform(0.02, 0.12), chance.uniform(0.004, 0.03)
    network.impair(
        {"drop_ratio": ratio, "jitter_seconds": seconds, "delay_seconds": seconds},
        {"jitter_seconds": seconds},
    )
    signal = chance.uniform(-88.0, -72.0)
    wifi = {"wifi.signal": signal, "wifi.snr": signal + 95.0 + chance.uniform(-3.0, 3.0)}
    yield Injected(
        {"ratio": ratio, "seconds": seconds, "signal": signal},
        asked=("ping", "http")[number % 2], facts={"wifi": wifi},
    )  # fmt: skip


@contextmanager
def change_route(network, chance, number):
    network.leave_bypass()
    yield Injected(asked=("ping", "tcp")[number % 2])


@contextmanager
def stay_on_route(network, chance, number):
    yield Injected(asked=("ping", "")[number % 2])


FAULTS = {
    "congestion": Fault("congestion", "path", congest),
    "bufferbloat": Fault("bufferbloat", "path", bloat),
    "policing": Fault("policing", "path", police),
    "path_loss": Fault("path_loss", "path", lose),
    "mtu_black_hole": Fault("mtu_black_hole", "path", swallow_large),
    "dns_failure": Fault("dns_failure", "path", break_names),
    "dns_slow": Fault("dns_slow", "path", slow_names),
    "tls": Fault("tls", "path", spoil_certificate),
    "server_slow": Fault("server_slow", "path", slow_server),
    "server_down": Fault("server_down", "path", stop_server),
    "clock_skew": Fault("clock_skew", "path", skew_clock),
    "host_busy": Fault("host_busy", "path", occupy_host),
    "disk": Fault("disk", "path", fill_disk),
    "agent_offline": Fault("agent_offline", "path", silence_agent),
    "well": Fault("", "path", nothing),
    "lan": Fault("lan", "local", spoil_lan),
    "wifi_weak": Fault("wifi_weak", "local", weaken_radio),
    "well_local": Fault("", "local", stay_on_route),
    "route_change": Fault("route_change", "route", change_route),
    "well_route": Fault("", "route", stay_on_route),
}
