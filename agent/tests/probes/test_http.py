import asyncio
import datetime as dt
import gzip
import ipaddress
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from streamswarm_agent.errors import ProbeFailed, TargetRefused
from streamswarm_agent.probes.http import HttpProbe, is_expected_status

ONCE = {
    "duration_seconds": 0.2,
    "sample_interval_seconds": 0.2,
    "interval_seconds": 0.5,
    "is_cache_measured": False,
}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
LONG_SECONDS = 30


def answering(*parts):
    """A handler that reads a request, then sends the parts; numbers are pauses in seconds."""

    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            if isinstance(part, bytes):
                writer.write(part)
                await writer.drain()
            else:
                await asyncio.sleep(part)
        writer.close()

    return handle


def redirecting(routes):
    """A handler that answers paths by a table: a place to go on to, or a whole answer."""

    async def handle(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        found = routes[head.split()[1].decode()]
        if isinstance(found, str):
            found = f"HTTP/1.1 302 Found\r\nLocation: {found}\r\nContent-Length: 0\r\n\r\n".encode()
        writer.write(found)
        writer.close()

    return handle


@pytest.fixture
def fetch(clock, make_resolver, request_for, measure):
    async def run(url, resolver=None, make_tls=None, **parameters):
        resolver = resolver or make_resolver()
        arguments = [make_tls] if make_tls else []
        probe = HttpProbe(clock, resolver, *arguments)
        return await measure(probe, request_for("http", url, **(ONCE | parameters)))

    return run


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for site.example, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "site.example")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("site.example"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "site.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def server_tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.names_asked_for = []
    context.sni_callback = lambda _, name, inner: inner.names_asked_for.append(name)
    return context


async def test_each_phase_has_the_time_that_the_server_spent_in_it(
    fetch, web_server, make_resolver
):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"
    port = await web_server(answering(0.20, head, 0.30, b"hello"))
    resolver = make_resolver({"site.example": "127.0.0.1"}, delay_seconds=0.10)
    found = await fetch(f"http://site.example:{port}/", resolver)
    values = found.outcome.values
    assert values["http.client.phase.dns"] >= 0.09
    assert values["http.client.phase.ttfb"] >= 0.19
    assert values["http.client.phase.transfer"] >= 0.29
    assert values["http.client.phase.connect"] < values["http.client.phase.ttfb"]
    assert values["http.client.phase.request"] < values["http.client.phase.ttfb"]
    phases = sum(values[key] for key in values if ".phase." in key)
    assert phases <= values["http.client.request.duration"] + 1e-9
    assert found.outcome.absent["http.client.phase.tls"] == "N"


async def test_an_address_needs_no_look_up_but_asks_the_policy(fetch, web_server, make_resolver):
    port = await web_server(answering(OK))
    resolver = make_resolver()
    found = await fetch(f"http://127.0.0.1:{port}/", resolver)
    assert found.outcome.absent["http.client.phase.dns"] == "N"
    assert resolver.asked == ["127.0.0.1"]


async def test_status_sizes_version_and_availability_are_reported(fetch, web_server):
    port = await web_server(answering(OK))
    found = await fetch(f"http://127.0.0.1:{port}/")
    values = found.outcome.values
    assert found.outcome.is_success
    assert values["http.response.status_code"] == 200
    assert values["http.response.size"] == values["http.response.body.size"] == 5
    assert values["http.availability.ratio"] == 1
    assert found.outcome.absent["http.compression.ratio"] == "N"
    assert found.outcome.facts["http.protocol.version"] == "1.1"
    assert len(found.samples) == 1


async def test_a_packed_answer_is_measured_packed_and_unpacked(fetch, web_server):
    packed = gzip.compress(b"hello world " * 1000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    port = await web_server(answering(head.encode() + packed))
    found = await fetch(f"http://127.0.0.1:{port}/", body_contains="hello world")
    values = found.outcome.values
    assert values["http.response.size"] == len(packed)
    assert values["http.response.body.size"] == 12_000
    assert values["http.compression.ratio"] == pytest.approx(12_000 / len(packed))
    assert values["http.content.match"] == 1
    assert found.outcome.facts["http.compression.algorithm"] == "gzip"


async def test_each_request_uses_a_fresh_connection(fetch, web_server):
    connections = []

    async def handle(reader, writer):
        connections.append(1)
        await answering(OK)(reader, writer)

    port = await web_server(handle)
    found = await fetch(
        f"http://127.0.0.1:{port}/",
        duration_seconds=0.5,
        sample_interval_seconds=0.1,
        interval_seconds=0.1,
    )
    assert len(connections) == len(found.samples) > 1
    assert found.outcome.values["http.client.phase.connect"] > 0


async def test_redirects_are_followed_counted_and_timed(fetch, web_server):
    end = await web_server(answering(OK))
    port = await web_server(
        redirecting({"/": "/next?a=1", "/next?a=1": f"http://127.0.0.1:{end}/end"})
    )
    found = await fetch(f"http://127.0.0.1:{port}/")
    values = found.outcome.values
    assert found.outcome.is_success
    assert values["http.redirect.count"] == 2
    assert 0 < values["http.redirect.duration"] < values["http.client.request.duration"]
    assert values["http.response.status_code"] == 200


async def test_without_redirects_their_time_does_not_apply(fetch, web_server):
    port = await web_server(answering(OK))
    found = await fetch(f"http://127.0.0.1:{port}/")
    assert found.outcome.values["http.redirect.count"] == 0
    assert found.outcome.absent["http.redirect.duration"] == "N"


async def test_a_circle_of_redirects_is_a_failure(fetch, web_server):
    port = await web_server(redirecting({"/": "/"}))
    found = await fetch(f"http://127.0.0.1:{port}/", max_redirects=3)
    assert not found.outcome.is_success
    assert found.outcome.reason == "more than 3 redirects (1)"
    assert found.outcome.absent["http.response.status_code"] == "T"


async def test_with_redirects_off_the_redirect_is_the_answer(fetch, web_server):
    port = await web_server(redirecting({"/": "/"}))
    found = await fetch(f"http://127.0.0.1:{port}/", max_redirects=0)
    assert found.outcome.is_success
    assert found.outcome.values["http.response.status_code"] == 302


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://metadata.example/latest", "redirect: policy denies metadata.example (1)"),
        ("http://169.254.169.254/", "redirect: policy denies 169.254.169.254 (1)"),
        ("file:///etc/passwd", "redirect: only http and https URLs can be asked for (1)"),
        ("http://nowhere.example/", "no address for nowhere.example (1)"),
    ],
)
async def test_a_redirect_out_of_bounds_is_not_followed(
    fetch, web_server, make_resolver, location, reason
):
    port = await web_server(redirecting({"/": location}))
    resolver = make_resolver(refused=frozenset({"metadata.example", "169.254.169.254"}))
    found = await fetch(f"http://127.0.0.1:{port}/", resolver)
    assert not found.outcome.is_success
    assert found.outcome.reason == reason
    assert found.outcome.values["http.availability.ratio"] == 0


async def test_a_refused_first_address_fails_the_run(fetch, make_resolver):
    resolver = make_resolver(refused=frozenset({"169.254.169.254"}))
    with pytest.raises(TargetRefused):
        await fetch("http://169.254.169.254/latest", resolver)


async def test_the_connection_goes_to_the_resolved_address_with_the_hosts_name(
    fetch, web_server, make_resolver
):
    heads = []

    async def handle(reader, writer):
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        writer.close()

    port = await web_server(handle)
    resolver = make_resolver({"site.example": "127.0.0.1"})
    found = await fetch(f"http://site.example:{port}/path?q=1", resolver)
    assert found.outcome.is_success
    assert heads[0].startswith(b"GET /path?q=1 HTTP/1.1\r\n")
    assert f"host: site.example:{port}\r\n".encode() in heads[0].lower()


async def test_an_untrusted_certificate_is_a_failure_with_its_reason(fetch, web_server, server_tls):
    port = await web_server(answering(OK), tls=server_tls)
    found = await fetch(f"https://127.0.0.1:{port}/")
    assert not found.outcome.is_success
    assert "CERTIFICATE_VERIFY_FAILED" in found.outcome.reason
    assert found.outcome.values["http.client.phase.connect"] > 0
    assert found.outcome.absent["http.client.phase.tls"] == "T"


async def test_an_untrusted_certificate_may_be_accepted_on_demand(fetch, web_server, server_tls):
    port = await web_server(answering(OK), tls=server_tls)
    found = await fetch(f"https://127.0.0.1:{port}/", is_certificate_verified=False)
    assert found.outcome.is_success
    assert found.outcome.values["http.client.phase.tls"] > 0


async def test_the_certificate_is_checked_for_the_name_not_the_address(
    fetch, web_server, server_tls, certificate, make_resolver
):
    port = await web_server(answering(OK), tls=server_tls)
    resolver = make_resolver({"site.example": "127.0.0.1", "other.example": "127.0.0.1"})

    def trust(_):
        return ssl.create_default_context(cafile=certificate)

    right = await fetch(f"https://site.example:{port}/", resolver, trust)
    wrong = await fetch(f"https://other.example:{port}/", resolver, trust)
    assert right.outcome.is_success
    assert not wrong.outcome.is_success
    assert "mismatch" in wrong.outcome.reason.lower()
    assert server_tls.names_asked_for == ["site.example", "other.example"]


async def test_an_unexpected_status_is_no_success_but_an_answer(fetch, web_server):
    port = await web_server(answering(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"))
    found = await fetch(f"http://127.0.0.1:{port}/")
    assert not found.outcome.is_success
    assert found.outcome.reason == "status 503 (1)"
    assert found.outcome.values["http.response.status_code"] == 503
    assert found.outcome.values["http.client.request.duration"] > 0


async def test_a_missing_text_is_no_success(fetch, web_server):
    port = await web_server(answering(OK))
    found = await fetch(f"http://127.0.0.1:{port}/", body_contains="goodbye")
    assert not found.outcome.is_success
    assert found.outcome.values["http.content.match"] == 0
    assert found.outcome.reason == "the text is not in the body (1)"


async def test_a_head_request_has_no_body(fetch, web_server):
    methods = []

    async def handle(reader, writer):
        methods.append((await reader.readuntil(b"\r\n\r\n")).split()[0])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
        writer.close()

    port = await web_server(handle)
    found = await fetch(f"http://127.0.0.1:{port}/", method="HEAD")
    assert methods == [b"HEAD"]
    assert found.outcome.is_success
    assert found.outcome.values["http.response.size"] == 0


async def test_a_body_over_the_limit_is_read_to_the_limit(fetch, web_server):
    body = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000
    port = await web_server(answering(body))
    found = await fetch(f"http://127.0.0.1:{port}/", max_body_bytes=1000)
    assert found.outcome.is_success
    assert found.outcome.values["http.response.size"] == 1000


async def test_a_silent_server_is_a_result_with_the_phases_it_reached(fetch, web_server):
    port = await web_server(answering(LONG_SECONDS, OK))
    found = await fetch(f"http://127.0.0.1:{port}/", timeout_seconds=0.2)
    assert not found.outcome.is_success
    assert found.outcome.reason == "no answer in time (1)"
    assert found.outcome.values["http.client.phase.connect"] > 0
    assert found.outcome.absent["http.client.phase.ttfb"] == "T"
    assert found.outcome.absent["http.client.request.duration"] == "T"


async def test_an_answer_that_breaks_off_is_a_failure(fetch, web_server):
    port = await web_server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello"))
    found = await fetch(f"http://127.0.0.1:{port}/")
    assert not found.outcome.is_success
    assert found.outcome.values["http.availability.ratio"] == 0


@pytest.mark.parametrize("noise", [b"\x00\xff nonsense\r\n\r\n", b"HTTP/9.9 abc\r\n\r\n", b""])
async def test_a_server_that_speaks_no_http_is_a_failure_not_an_error(fetch, web_server, noise):
    port = await web_server(answering(noise))
    found = await fetch(f"http://127.0.0.1:{port}/")
    assert not found.outcome.is_success
    assert found.outcome.reason


async def test_a_closed_port_and_an_unknown_name_are_results(fetch, closed_port):
    closed = await fetch(f"http://127.0.0.1:{closed_port}/")
    unknown = await fetch("http://nowhere.example/")
    assert not closed.outcome.is_success
    assert closed.outcome.absent["http.client.phase.connect"] == "T"
    assert unknown.outcome.reason == "no address for nowhere.example (1)"
    assert unknown.outcome.absent["http.client.phase.dns"] == "T"


async def test_what_is_no_url_is_refused(fetch):
    with pytest.raises(ProbeFailed, match=r"^target: "):
        await fetch("file:///etc/passwd")


async def test_proxies_of_the_environment_are_not_used(fetch, web_server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    port = await web_server(answering(OK))
    assert (await fetch(f"http://127.0.0.1:{port}/")).outcome.is_success


@pytest.mark.parametrize(
    ("status", "expected", "is_expected"),
    [
        (200, "2xx,3xx", True),
        (404, "2xx,3xx", False),
        (404, "200,404", True),
        (301, "3xx", True),
        (201, "200", False),
    ],
)
def test_expected_statuses_are_codes_or_classes(status, expected, is_expected):
    assert is_expected_status(status, expected) is is_expected
