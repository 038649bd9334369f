import asyncio
import ssl
import warnings

import pytest
from cryptography.hazmat.primitives import hashes

from agent.tests.authority import Authority
from streamswarm_agent.errors import ProbeFailed, TargetRefused
from streamswarm_agent.probes import tls_certificate
from streamswarm_agent.probes.tls import TlsProbe
from streamswarm_agent.probes.tls_hello import TLS_1_2, ServerFlight

ONCE = {"duration_seconds": 0.2, "sample_interval_seconds": 0.2, "interval_seconds": 0.5}
DAY = 86_400


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


async def hold(reader, writer):
    await reader.read()
    writer.close()


@pytest.fixture
def look(clock, make_resolver, request_for, measure, authority):
    async def run(port, target="site.example", resolver=None, **parameters):
        resolver = resolver or make_resolver({"site.example": "127.0.0.1"})
        probe = TlsProbe(clock, resolver, authority.trust)
        request = request_for("tls", target, port=port, **(ONCE | parameters))
        return (await measure(probe, request)).outcome

    return run


async def test_a_sound_server_is_described_whole(look, web_server, authority):
    tls = authority.issue()
    tls.set_alpn_protocols(["http/1.1"])
    found = await look(await web_server(hold, tls))
    assert found.is_success
    assert not found.reason
    assert 0 < found.values["tls.handshake.duration"] < 5
    assert found.values["tls.certificate.valid"] == 1
    assert found.values["tls.certificate.hostname_match"] == 1
    assert found.values["tls.certificate.expires_in"] == pytest.approx(30 * DAY, abs=600)
    assert found.values["tls.certificate.chain_length"] == 2
    assert found.values["tls.certificate.key_bits"] == 256
    assert found.values["tls.session.resumed"] == 1
    assert found.values["tls.ocsp.stapled"] == 0
    assert found.values["net.availability.ratio"] == 1
    assert found.facts["tls.version"] == "TLSv1.3"
    assert found.facts["tls.cipher"].startswith("TLS_")
    assert found.facts["tls.alpn"] == "http/1.1"
    assert found.facts["tls.certificate.signature_algorithm"] == "ecdsa-with-SHA256"
    expected = tls.certificate.fingerprint(hashes.SHA256()).hex()
    assert found.facts["tls.certificate.fingerprint"] == expected
    assert found.document["verdict"] == "trusted"
    assert found.document["weaknesses"] == []
    card, issuer = found.document["certificates"]
    assert card["subject"] == "CN=site.example"
    assert card["names"] == ["site.example", "127.0.0.1"]
    assert issuer["subject"] == "CN=Middle"
    assert set(tls.names_asked_for) == {"site.example"}


@pytest.mark.parametrize(
    ("faults", "valid", "matches", "reason"),
    [
        ({"days": -1}, 0, 1, "certificate has expired"),
        ({"host": "other.example"}, 1, 0, "the certificate is not for site.example"),
        ({"is_self_signed": True}, 0, 1, "self-signed certificate"),
        ({"has_middle": False}, 0, 1, "unable to get local issuer certificate"),
        ({"days": 5}, 1, 1, "the certificate expires in 5.0 days"),
    ],
)
async def test_what_is_wrong_with_a_certificate_is_named(
    look, web_server, authority, faults, valid, matches, reason
):
    found = await look(await web_server(hold, authority.issue(**faults)))
    assert not found.is_success
    assert reason in found.reason
    assert found.values["tls.certificate.valid"] == valid
    assert found.values["tls.certificate.hostname_match"] == matches
    assert found.values["net.availability.ratio"] == 0
    assert "tls.version" in found.facts


async def test_trust_need_not_be_required(look, web_server, authority):
    found = await look(
        await web_server(hold, authority.issue(is_self_signed=True)), is_trust_required=False
    )
    assert found.is_success
    assert found.values["tls.certificate.valid"] == 0
    assert found.values["tls.session.resumed"] == 1


async def test_short_keys_and_old_hashes_are_weaknesses(look, web_server, authority):
    tls = authority.issue(key=authority.weak_key, is_sha1=True)
    found = await look(await web_server(hold, tls))
    assert found.values["tls.certificate.key_bits"] == 1024
    assert found.facts["tls.certificate.signature_algorithm"] == "ecdsa-with-SHA1"
    assert found.document["weaknesses"] == [
        "the key of the certificate has 1024 bits",
        "the certificate is signed with ecdsa-with-sha1",
    ]


async def test_old_versions_that_are_offered_beside_new_ones_are_named(look, web_server, authority):
    tls = authority.issue()
    with warnings.catch_warnings(action="ignore"):
        tls.minimum_version = ssl.TLSVersion.TLSv1
    found = await look(await web_server(hold, tls))
    assert found.facts["tls.version"] == "TLSv1.3"
    assert found.document["weaknesses"] == ["TLSv1 is offered", "TLSv1.1 is offered"]


async def test_a_server_with_old_versions_alone_is_described_all_the_same(
    look, web_server, authority
):
    tls = authority.issue()
    with warnings.catch_warnings(action="ignore"):
        tls.minimum_version = ssl.TLSVersion.TLSv1
        tls.maximum_version = ssl.TLSVersion.TLSv1_1
    found = await look(await web_server(hold, tls))
    assert found.facts["tls.version"] == "TLSv1.1"
    assert found.values["tls.certificate.valid"] == 1
    assert "only old versions or weak parameters are offered" in found.document["weaknesses"]


async def test_a_server_of_the_newest_version_alone_hides_its_stapling(look, web_server, authority):
    tls = authority.issue()
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    found = await look(await web_server(hold, tls))
    assert found.absent["tls.ocsp.stapled"] == "U"
    assert found.document["weaknesses"] == []


async def test_a_server_without_tickets_resumes_nothing(look, web_server, authority):
    tls = authority.issue()
    tls.num_tickets = 0
    found = await look(await web_server(hold, tls))
    assert found.is_success
    assert found.absent["tls.session.resumed"] == "N"


async def test_another_name_than_the_targets_may_be_asked_for(look, web_server, authority):
    tls = authority.issue("other.example")
    found = await look(await web_server(hold, tls), server_name="Other.Example")
    assert found.is_success
    assert set(tls.names_asked_for) == {"other.example"}


async def test_an_address_is_matched_as_such_and_sends_no_name(look, web_server, authority):
    tls = authority.issue()
    found = await look(await web_server(hold, tls), target="127.0.0.1")
    assert found.is_success
    assert set(tls.names_asked_for) == {None}


def speaking(form, tls):
    """A mail server's talk before TLS."""
    greeting, *talk = {
        "smtp": [
            b"220-mail.example\r\n220 ready\r\n",
            (b"EHLO", b"250-mail.example\r\n250 STARTTLS\r\n"),
            (b"STARTTLS", b"220 go on\r\n"),
        ],
        "imap": [b"* OK ready\r\n", (b"a1 STARTTLS", b"* NOOP\r\na1 OK go on\r\n")],
    }[form]

    async def handle(reader, writer):
        writer.write(greeting)
        for asked, answer in talk:
            assert (await reader.readline()).startswith(asked)
            writer.write(answer)
        await writer.start_tls(tls)
        await reader.read()
        writer.close()

    return handle


@pytest.mark.parametrize("form", ["smtp", "imap"])
async def test_tls_may_begin_after_words_in_the_clear(look, web_server, authority, form):
    port = await web_server(speaking(form, authority.issue()))
    found = await look(port, start_tls=form)
    assert found.is_success
    assert found.values["tls.certificate.chain_length"] == 2


async def test_a_server_that_refuses_starttls_is_quoted(look, web_server):
    async def refuse(reader, writer):
        writer.write(b"220 ready\r\n")
        await reader.readline()
        writer.write(b"250 mail.example\r\n")
        await reader.readline()
        writer.write(b"502 no such thing\r\n")
        writer.close()

    found = await look(await web_server(refuse), start_tls="smtp")
    assert not found.is_success
    assert "no STARTTLS: 502 no such thing" in found.reason


async def test_a_closed_port_and_a_silent_server_are_results(look, web_server, closed_port):
    refused = await look(closed_port)
    silent = await look(await web_server(hold), timeout_seconds=0.2)
    assert refused.reason == "connection refused (1)"
    assert silent.reason == "no answer in time (1)"
    for found in (refused, silent):
        assert not found.is_success
        assert found.absent["tls.handshake.duration"] == "T"
        assert found.absent["tls.ocsp.stapled"] == "T"
        assert found.facts == {}


async def test_a_server_that_speaks_no_tls_is_a_result(look, web_server):
    async def talk(reader, writer):
        writer.write(b"SSH-2.0-server\r\n" * 10)
        await reader.read()
        writer.close()

    found = await look(await web_server(talk))
    assert not found.is_success
    assert "SSL" in found.reason


async def test_a_name_without_address_is_a_result(look):
    found = await look(443, target="nowhere.example")
    assert not found.is_success
    assert found.values["net.availability.ratio"] == 0


async def test_policy_is_asked_before_anything_is_sent(look, make_resolver):
    resolver = make_resolver({}, frozenset({"site.example"}))
    with pytest.raises(TargetRefused):
        await look(443, resolver=resolver)


async def test_a_name_to_ask_for_that_is_none_is_refused_by_field(look):
    with pytest.raises(ProbeFailed, match=r"^server_name: "):
        await look(443, server_name="-x-")


async def test_what_needs_a_missing_library_is_unsupported(
    look, web_server, authority, monkeypatch
):
    monkeypatch.setattr(tls_certificate, "is_readable", lambda: False)
    found = await look(await web_server(hold, authority.issue()))
    assert found.is_success
    assert found.values["tls.certificate.valid"] == 1
    assert found.values["tls.certificate.chain_length"] == 2
    assert found.facts["tls.certificate.fingerprint"]
    for name in ("expires_in", "hostname_match", "key_bits"):
        assert found.absent[f"tls.certificate.{name}"] == "U"


def record(kind, body):
    return bytes([kind, 3, 3]) + len(body).to_bytes(2, "big") + body


def message(kind, body):
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


@pytest.mark.parametrize("piece_bytes", [1, 7, 10_000])
def test_a_stapled_response_is_seen_however_the_flight_is_cut(piece_bytes):
    messages = message(2, b"\x03\x03" + bytes(40)) + message(11, bytes(900))
    messages += message(22, bytes(100)) + message(14, b"")
    wire = record(22, messages[:500]) + record(22, messages[500:])
    flight = ServerFlight()
    for start in range(0, len(wire), piece_bytes):
        assert not flight.is_over
        flight.take(wire[start : start + piece_bytes])
    assert flight.is_over
    assert flight.is_stapled
    assert flight.version == TLS_1_2


@pytest.mark.parametrize("wire", [b"", record(21, b"\x02\x46"), b"HTTP/1.1 400 Bad\r\n"])
def test_an_alert_an_end_or_another_protocol_chooses_no_version(wire):
    flight = ServerFlight()
    flight.take(wire)
    assert flight.is_over
    assert flight.version is None


def test_a_flight_without_end_is_cut_off():
    flight = ServerFlight()
    for _ in range(40):
        flight.take(record(22, bytes(4) * 4000))
        if flight.is_over:
            break
    assert flight.is_over


@pytest.mark.parametrize(
    ("host", "is_named"),
    [
        ("www.site.example", True),
        ("site.example", False),
        ("a.www.site.example", False),
        ("192.0.2.1", True),
        ("192.0.2.2", False),
        ("2001:db8::1", True),
    ],
)
def test_a_wildcard_stands_for_one_label_and_addresses_for_themselves(host, is_named):
    certificate = tls_certificate.Certificate(
        subject="", issuer="", serial="", not_before=0, not_after=0, key_kind="EC", key_bits=256,
        signature_algorithm="", fingerprint="",
        dns_names=("*.site.example",), addresses=("192.0.2.1", "2001:db8::1"),
    )  # fmt: skip
    assert certificate.is_for(host) is is_named


async def test_a_handshake_under_way_is_stopped_at_once(look, web_server):
    task = asyncio.create_task(look(await web_server(hold), timeout_seconds=30))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
