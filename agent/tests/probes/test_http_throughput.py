import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamswarm_agent.errors import TargetRefused
from streamswarm_agent.probes.http_streams import Tally
from streamswarm_agent.probes.http_throughput import (
    HttpThroughputProbe,
    grade_delay,
    measure,
    measure_processor,
)

RUN = {"duration_seconds": 2.4, "sample_interval_seconds": 1.2, "omit_seconds": 0}


class Depot:
    """Sends a body without end, or takes one; counts its bytes and connections."""

    def __init__(self, status="200 OK"):
        self.status = status
        self.byte_count = 0
        self.heads = []

    async def serve(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            await (self.take(reader) if head.startswith("POST") else self.send(writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def take(self, reader):
        while received := await reader.read(1 << 16):
            self.byte_count += len(received)

    async def send(self, writer):
        if self.status != "200 OK":
            writer.write(f"HTTP/1.1 {self.status}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n")
        while True:
            writer.write(bytes(1 << 14))
            await writer.drain()
            self.byte_count += 1 << 14


@pytest.fixture
def transfer(clock, make_resolver, request_for, measure, web_server):
    async def run(depot, resolver=None, host="127.0.0.1", **parameters):
        port = await web_server(depot.serve)
        probe = HttpThroughputProbe(clock, resolver or make_resolver())
        request = request_for("http_throughput", f"http://{host}:{port}/x", **(RUN | parameters))
        return await measure(probe, request)

    return run


async def test_a_download_keeps_to_its_limit_and_is_counted(transfer):
    depot = Depot()
    found = await transfer(depot, streams=2, max_megabits=8)
    outcome = found.outcome
    assert outcome.is_success
    assert 2e6 < outcome.values["net.throughput.http.download"] < 12e6
    assert outcome.absent["net.throughput.http.upload"] == "N"
    assert outcome.values["net.latency.loaded.download"] > 0
    assert outcome.values["net.bufferbloat.delta"] >= 0
    assert outcome.values["net.responsiveness"] == pytest.approx(
        60 / outcome.values["net.latency.loaded.download"]
    )
    assert outcome.values["net.throughput.ramp_time"] >= 1
    assert 0 <= outcome.values["net.throughput.cpu.local"] <= 1
    assert outcome.document["bytes"] <= depot.byte_count
    assert outcome.document["grade"]
    assert len([head for head in depot.heads if head.startswith("GET /x ")]) == 2
    assert len(found.samples) == 2


async def test_an_upload_is_counted_as_it_goes(transfer):
    depot = Depot()
    outcome = (await transfer(depot, direction="upload", streams=1, max_megabits=8)).outcome
    assert outcome.is_success
    assert 2e6 < outcome.values["net.throughput.http.upload"] < 12e6
    assert outcome.values["net.latency.loaded.upload"] > 0
    assert depot.byte_count > 0
    assert "transfer-encoding: chunked" in depot.heads[-1].lower()


async def test_a_refusal_moves_nothing_and_is_told(transfer):
    outcome = (await transfer(Depot("404 Not Found"), streams=1, duration_seconds=0.5)).outcome
    assert not outcome.is_success
    assert outcome.reason.startswith("status 404 (")
    assert outcome.absent["net.throughput.http.download"] == "T"


async def test_redirects_are_not_followed(transfer):
    depot = Depot("302 Found")
    outcome = (await transfer(depot, streams=1, duration_seconds=0.3)).outcome
    assert not outcome.is_success
    assert outcome.reason.startswith("status 302 (")


async def test_policy_and_missing_names_end_it_before_anything_is_sent(transfer, make_resolver):
    depot = Depot()
    resolver = make_resolver({}, frozenset({"kept.example"}))
    with pytest.raises(TargetRefused):
        await transfer(depot, resolver=resolver, host="kept.example")
    outcome = (await transfer(depot, host="nowhere.example")).outcome
    assert not outcome.is_success
    assert depot.heads == []


def test_figures_are_those_of_whole_seconds_after_the_omitted_ones():
    tally = Tally(0.0)
    for second, byte_count in enumerate([10, 50, 100, 120, 80, 7]):
        tally.add(byte_count, second + 0.5)
    found = measure(tally, 2, "download")
    assert found["net.throughput.http.download"] == 800
    assert found["net.throughput.stability"] == pytest.approx(160 / 800)
    assert found["net.throughput.ramp_time"] == 3


@given(st.lists(st.integers(0, 10**9), max_size=20), st.integers(0, 30))
def test_no_course_of_a_transfer_breaks_its_figures(seconds, omit_seconds):
    tally = Tally(0.0)
    for second, byte_count in enumerate(seconds):
        tally.add(byte_count, second + 0.1)
    found = measure(tally, omit_seconds, "upload")
    assert all(value in {"T", "N", "I"} or value >= 0 for value in found.values())


@pytest.mark.parametrize(
    ("added_seconds", "grade"), [(0, "A+"), (0.005, "A"), (0.1, "C"), (0.399, "D"), (2, "F")]
)
def test_added_delay_has_a_grade(added_seconds, grade):
    assert grade_delay(added_seconds) == grade


def test_the_processors_share_is_that_of_the_time_between():
    assert measure_processor((10, 100), (15, 110)) == 0.5
    assert measure_processor((10, 100), (10, 100)) == "I"
