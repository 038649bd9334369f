"""What iperf3 of five versions printed, and a real server of it on loopback."""

import asyncio
import json
import socket
from pathlib import Path

import pytest

from streamswarm_agent.collectors.commands import Answer, find_program
from streamswarm_agent.probes.iperf3 import Iperf3Probe, build_command, run_for
from streamswarm_agent.probes.iperf3_report import Iperf3Refused, read_iperf3

FIXTURES = Path(__file__).parents[1] / "fixtures" / "iperf3"
VERSIONS = ("3.1.3", "3.7", "3.12", "3.16", "3.21")
TCP_MEGABITS = {"upload": 40, "download": 20}
UDP_MEGABITS = 5
PORT_SECONDS = 30
has_iperf3 = pytest.mark.skipif(find_program("iperf3") is None, reason="iperf3 is not installed")


def recorded(name, version):
    return (FIXTURES / f"{name}-{version}.json").read_text()


# What was recorded


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("direction", ["upload", "download"])
def test_tcp_is_read_of_every_version(version, direction):
    found = read_iperf3(recorded(f"tcp_{direction}", version), is_reverse=direction == "download")
    wanted = TCP_MEGABITS[direction] * 1e6
    assert found.version == version
    assert found.received_bits_per_second == pytest.approx(wanted, rel=0.05)
    assert found.sent_bits_per_second == pytest.approx(wanted, rel=0.05)
    assert found.rates == pytest.approx([wanted] * 3, rel=0.1)
    assert found.step_seconds == pytest.approx(1, rel=0.01)
    told = json.loads(recorded(f"tcp_{direction}", version))["end"]["sum_sent"]["retransmits"]
    assert found.retransmits == found.timeline[-1].get("retransmits", 0) == told
    assert found.stream_count == (2 if direction == "upload" else 1)
    assert found.packets == {}
    if direction == "upload":
        assert all(0 < glance["rtt_seconds"] < 0.01 for glance in found.timeline)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("direction", ["upload", "download"])
def test_udp_is_read_of_every_version(version, direction):
    found = read_iperf3(recorded(f"udp_{direction}", version), is_reverse=direction == "download")
    assert found.received_bits_per_second == pytest.approx(UDP_MEGABITS * 1e6, rel=0.05)
    assert found.packets["sent_count"] == pytest.approx(1339, abs=5)
    assert found.packets["lost_count"] == found.packets["loss_ratio"] == 0
    assert 0 < found.packets["jitter_seconds"] < 0.001
    assert found.packets["reordered_count"] == (None if direction == "upload" else 0)
    assert found.retransmits is None


def test_what_an_old_sender_counts_is_less_what_was_lost():
    document = json.loads(recorded("udp_upload", "3.7"))
    document["end"]["sum"] |= {"lost_packets": 134, "packets": 1340}
    found = read_iperf3(json.dumps(document), is_reverse=False)
    assert found.received_bits_per_second == pytest.approx(UDP_MEGABITS * 1e6 * 0.9, rel=0.01)
    assert found.packets["loss_ratio"] == pytest.approx(0.1)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("name", "said"), [("busy", "the server is busy"), ("refused", "unable")])
def test_its_own_words_are_the_reason(version, name, said):
    with pytest.raises(Iperf3Refused, match=f"^{said}"):
        read_iperf3(recorded(name, version), is_reverse=False)


@pytest.mark.parametrize(
    "text",
    [
        "", "iperf3: parameter error", "[]", "[" * 100_000, "{}", '{"start": [], "end": 7}',
        json.dumps(
            {
                "start": {"test_start": {"protocol": "TCP", "num_streams": 1}, "version": "x"},
                "intervals": [],
                "end": {"sum_received": {"bits_per_second": float("nan")}},
            }
        ),
    ],
)  # fmt: skip
def test_anything_else_is_not_understood(text):
    with pytest.raises(Iperf3Refused, match="iperf3 printed"):
        read_iperf3(text, is_reverse=False)


# The command


@pytest.fixture
def parameters(request_for):
    def build(**changes):
        return request_for("iperf3", "192.0.2.1", **changes).parameters

    return build


def test_the_rate_is_shared_by_the_streams_and_the_time_is_kept(parameters):
    wanted = parameters(protocol="udp", streams=4, rate_megabits=8, dscp=46, omit_seconds=9)
    argv = build_command("192.0.2.1", wanted, "download", 10.5)
    options = dict(zip(argv, [*argv[1:], ""], strict=True))
    assert (options["-b"], options["-P"], options["-S"]) == ("2000000", "4", "184")
    assert (options["-t"], options["-O"], options["-l"]) == ("7", "3", "1400")
    assert {"-u", "-R", "-J"} <= set(argv)


def test_tcp_without_a_limit_has_none(parameters):
    argv = build_command("192.0.2.1", parameters(congestion="bbr"), "upload", 1.0)
    assert not {"-b", "-u", "-R", "-l"} & set(argv)
    assert argv[argv.index("-C") + 1] == "bbr"
    assert argv[argv.index("-t") + 1] == "1"


# Runs


@pytest.fixture
def iperf3(request_for, measure, resolver, virtual_clock):
    async def run(run_program=None, target="192.0.2.1", duration_seconds=6.0, **parameters):
        request = request_for("iperf3", target, duration_seconds=duration_seconds, **parameters)
        clock = virtual_clock()
        return await measure(Iperf3Probe(clock, resolver, run_program), request)

    return run


def print_recorded(*names, version="3.12"):
    left = list(names)

    async def run_program(argv, seconds):
        assert argv[0] == "iperf3"
        assert seconds > 3
        text = recorded(left.pop(0), version)
        return Answer(text, is_good='"error"' not in text)

    return run_program


async def test_both_directions_stand_in_one_result(iperf3):
    found = await iperf3(print_recorded("tcp_upload", "tcp_download"), streams=2)
    values, document = found.outcome.values, found.outcome.document
    assert found.outcome.is_success
    assert values["net.throughput.tcp.receive"] == pytest.approx(40e6, rel=0.05)
    assert values["net.throughput.tcp.reverse"] == pytest.approx(20e6, rel=0.05)
    assert values["net.throughput.tcp.streams"] == 2
    assert values["net.tcp.retransmits"] == 0
    assert 0 <= values["net.throughput.stability"] < 0.1
    assert document["version"] == "3.12"
    assert len(document["directions"]["upload"]["rates"]) == 3
    assert [set(sample.values) for sample in found.samples] == [
        {"net.throughput.tcp.receive"},
        {"net.throughput.tcp.reverse"},
    ]


async def test_packets_have_their_figures_each_way(iperf3):
    found = await iperf3(print_recorded("udp_upload", "udp_download"), protocol="udp")
    values = found.outcome.values
    assert found.outcome.is_success
    assert found.outcome.method == "udp"
    for way in ("forward", "reverse"):
        assert values[f"net.throughput.udp.loss.ratio{{direction={way}}}"] == 0
        assert values[f"net.throughput.udp.jitter{{direction={way}}}"] > 0
    assert values["net.throughput.udp.reorder.ratio{direction=reverse}"] == 0
    assert found.outcome.absent["net.throughput.udp.reorder.ratio{direction=forward}"] == "N"


async def test_a_busy_server_is_asked_again(iperf3):
    found = await iperf3(print_recorded("busy", "busy", "tcp_upload"), direction="upload")
    assert found.outcome.is_success
    assert found.outcome.absent["net.throughput.tcp.reverse"] == "N"
    found = await iperf3(print_recorded(*["busy"] * 10), direction="upload")
    assert not found.outcome.is_success
    assert "192.0.2.1 port 5201: the server is busy" in found.outcome.reason
    assert found.outcome.absent["net.throughput.tcp.receive"] == "T"


async def test_a_server_that_is_not_done_with_the_test_before_is_asked_again(iperf3):
    said = json.dumps({"error": "unable to receive control message: Connection reset by peer"})
    answers = [Answer(said, is_good=False), Answer(recorded("tcp_upload", "3.12"))]

    async def run_program(_argv, _seconds):
        return answers.pop(0)

    found = await iperf3(run_program, direction="upload")
    assert found.outcome.is_success


async def test_a_test_that_had_begun_is_not_begun_again(iperf3):
    said = json.dumps({"x": {"bits_per_second": 1}, "error": "Connection reset by peer"})
    answers = [Answer(said, is_good=False)]

    async def run_program(_argv, _seconds):
        return answers.pop()

    found = await iperf3(run_program, direction="upload")
    assert "Connection reset by peer" in found.outcome.reason


async def test_a_host_without_the_program_is_told_what_to_install(iperf3):
    async def run_program(_argv, _seconds):
        return None

    for protocol, key in (
        ("tcp", "net.throughput.tcp.receive"),
        ("udp", "net.throughput.udp.receive{direction=forward}"),
    ):
        found = await iperf3(run_program, protocol=protocol)
        assert not found.outcome.is_success
        assert "apt install iperf3" in found.outcome.reason
        assert found.outcome.absent[key] == "U"


async def test_a_server_that_never_answers_is_a_result(iperf3):
    async def run_program(_argv, _seconds):
        raise TimeoutError

    found = await iperf3(run_program)
    assert "no answer in time" in found.outcome.reason
    assert found.outcome.absent["net.throughput.tcp.receive"] == "T"


async def test_a_name_without_an_address_is_a_result(iperf3):
    found = await iperf3(print_recorded(), target="nowhere.example")
    assert not found.outcome.is_success
    assert found.outcome.absent["net.throughput.tcp.receive"] == "T"


# A real server


async def wait_until(condition):
    async with asyncio.timeout(PORT_SECONDS):
        while not condition():  # noqa: ASYNC110 - another process sets no event of the loop
            await asyncio.sleep(0.02)


@pytest.fixture
async def real_server(free_port):
    process = await asyncio.create_subprocess_exec(
        find_program("iperf3"), "-s", "-B", "127.0.0.1", "-p", str(free_port),
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await wait_until(lambda: is_open(free_port))
        yield free_port
    finally:
        process.kill()
        await process.wait()


def is_open(port):
    lines = Path("/proc/net/tcp").read_text().splitlines()
    return any(f":{port:04X} " in line and " 0A " in line for line in lines)


@has_iperf3
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
async def test_a_real_server_is_measured_both_ways(real_server, iperf3, protocol):
    found = await iperf3(
        target="127.0.0.1", port=real_server, protocol=protocol, rate_megabits=8, streams=2,
    )  # fmt: skip
    assert found.outcome.is_success, found.outcome.reason
    keys = ("net.throughput.tcp.receive", "net.throughput.tcp.reverse")
    if protocol == "udp":
        keys = [f"net.throughput.udp.receive{{direction={way}}}" for way in ("forward", "reverse")]
    for key in keys:
        # A busy machine may be slower.
        assert 0 < found.outcome.values[key] < 1.3 * 8e6


@has_iperf3
async def test_a_closed_port_is_said_in_the_programs_words(iperf3, closed_port):
    found = await iperf3(target="127.0.0.1", port=closed_port)
    assert "Connection refused" in found.outcome.reason


@has_iperf3
async def test_the_program_ends_with_the_run():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = str(silent.getsockname()[1])
        argv = ["iperf3", "-c", "127.0.0.1", "-p", port, "-t", "60", "-J"]
        with pytest.raises(TimeoutError):
            await run_for(argv, 0.5)
        running = asyncio.create_task(run_for(argv, 60.0))
        await wait_until(lambda: list_programs(argv[1:]))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert list_programs(argv[1:]) == []


def list_programs(words):
    return [path for path in Path("/proc").glob("[0-9]*/cmdline") if has_words(path, words)]


def has_words(path, words):
    try:
        return set(words) <= set(path.read_text(errors="replace").split("\0"))
    except OSError:
        return False
