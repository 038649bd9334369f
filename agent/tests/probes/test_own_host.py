import json

import pytest

from streamswarm_agent.collectors.base import CollectedFact, CollectedFrame, Collection
from streamswarm_agent.probes.own_host import HardwareProbe, HostProbe, WifiProbe

HOST_PARTS = ("cpu", "filesystem", "disk", "interface", "network")


class Recorded:
    """A collector that gives the next of its collections at each pass."""

    def __init__(self, name, *collections):
        self.name = name
        self.remaining = list(collections)
        self.passes = 0

    def collect(self):
        self.passes += 1
        return self.remaining.pop(0) if len(self.remaining) > 1 else self.remaining[0]


def frame(kind, subject="", values=None, **absent):
    return CollectedFrame(kind, subject, values or {}, absent)


def collection(kind, subject="", values=None, **absent):
    return Collection((frame(kind, subject, values, **absent),))


@pytest.fixture
def look(measure, virtual_clock, request_for):
    async def run(probe, collectors, duration=2.0, interval=1.0, **parameters):
        made = probe(virtual_clock(), None, {name: lambda one=one: one for name, one in collectors})
        request = request_for(
            probe.kind, "agent", duration_seconds=duration, sample_interval_seconds=interval,
            **parameters,
        )  # fmt: skip
        return await measure(made, request)

    return run


async def test_the_host_is_read_at_the_start_and_at_the_end_of_each_sample(look):
    passes = [collection("host", values={"system.uptime": float(n)}) for n in range(4)]
    host = Recorded("host", *passes)
    others = [(name, Recorded(name, collection(name, "x", {"y": 1.0}))) for name in HOST_PARTS]
    found = await look(HostProbe, [("host", host), *others], duration=2.5)
    assert [sample.values["system.uptime"] for sample in found.samples] == [1, 2, 3]
    assert found.outcome.values == {"system.uptime": 3.0}
    assert (found.outcome.is_success, found.outcome.method) == (True, "local")
    kinds = [row["kind"] for row in found.outcome.document["rows"]]
    assert kinds == ["host", *HOST_PARTS]


@pytest.mark.parametrize(("part", "kinds"), [("host", ["host"]), ("disk", ["host", "disk"])])
async def test_a_part_of_the_host_is_all_that_is_read(look, part, kinds):
    collectors = [(name, Recorded(name, collection(name))) for name in ("host", *HOST_PARTS)]
    found = await look(HostProbe, collectors, part=part)
    assert [row["kind"] for row in found.outcome.document["rows"]] == kinds
    assert sum(one.passes > 0 for _, one in collectors) == len(kinds)


@pytest.mark.parametrize(
    ("part", "kept"),
    [
        ("all", {"hw.temperature{sensor=a}", "hw.power{sensor=b}", "hw.raid.degraded{array=md0}"}),
        ("sensors", {"hw.temperature{sensor=a}"}),
        ("power", {"hw.power{sensor=b}"}),
        ("disks", {"hw.raid.degraded{array=md0}"}),
        ("faults", set()),
    ],
)
async def test_a_part_of_the_hardware_is_what_its_keys_begin_with(look, part, kept):
    keys = ("hw.temperature{sensor=a}", "hw.power{sensor=b}", "hw.raid.degraded{array=md0}")
    seen = collection("hardware", values=dict.fromkeys(keys, 1.0), **{"hw.pcie.aer.errors": "U"})
    found = await look(HardwareProbe, [("hardware", Recorded("hardware", seen))], part=part)
    assert found.outcome.values.keys() == kept
    assert ("hw.pcie.aer.errors" in found.outcome.absent) is (part in {"all", "faults"})
    assert found.outcome.is_success is bool(kept)
    assert bool(found.outcome.reason) is not bool(kept)


@pytest.mark.parametrize(
    ("interface", "signal", "bssid"),
    [("", -40.0, "aa"), ("wlan1", -60.0, "bb"), ("wlan7", None, None)],
)
async def test_wifi_tells_of_one_interface(look, interface, signal, bssid):
    seen = Collection(
        (
            frame("wifi", "wlan0", {"wifi.signal": -40.0}),
            frame("wifi", "wlan1", {"wifi.signal": -60.0}),
        ),
        (
            CollectedFact("wifi", "wlan0", "wifi.bssid", "aa"),
            CollectedFact("wifi", "wlan1", "wifi.bssid", "bb"),
        ),
    )
    found = await look(WifiProbe, [("wifi", Recorded("wifi", seen))], interface=interface)
    assert found.outcome.values.get("wifi.signal") == signal
    assert found.outcome.facts.get("wifi.bssid") == bssid
    assert found.outcome.is_success is (signal is not None)
    assert len(found.outcome.document["rows"]) == 2


async def test_a_host_of_many_sources_keeps_its_document_within_the_limit(look):
    frames = tuple(
        frame(
            "interface", f"veth{n}", {f"system.x{k}{{direction=receive}}": 1.0 for k in range(40)}
        )
        for n in range(300)
    )
    collectors = [(name, Recorded(name, collection(name))) for name in ("host", *HOST_PARTS)]
    collectors[4] = ("interface", Recorded("interface", Collection(frames)))
    found = await look(HostProbe, collectors)
    assert len(json.dumps(found.outcome.document)) < 65_536
    assert found.outcome.document["left_out"] > 100


@pytest.mark.parametrize("probe", [HostProbe, HardwareProbe, WifiProbe])
async def test_the_real_host_is_looked_at(measure, clock, request_for, probe):
    request = request_for(probe.kind, "agent", duration_seconds=0.2, sample_interval_seconds=0.1)
    found = await measure(probe(clock, None), request)
    assert len(found.samples) == 2
    assert {*found.outcome.values, *found.outcome.absent}
    assert found.outcome.is_success is bool(found.outcome.values)
