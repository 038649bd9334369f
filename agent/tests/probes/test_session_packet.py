import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamswarm_agent.probes.session_packet import (
    PACKET_BYTES,
    REPORT_BYTES,
    REPORT_SEQUENCE,
    Reflected,
    Report,
    SessionKeys,
    build_reflected,
    build_report,
    build_report_request,
    build_request,
    decode_error,
    decode_stamp,
    encode_error,
    encode_stamp,
    is_request,
    parse_reflected,
    parse_report,
    read_report_request,
    read_sequence,
)

KEYS = SessionKeys.derive(bytes(32), "run")
OTHER_KEYS = SessionKeys.derive(bytes(31) + b"\1", "run")
NOW_NS = 1_800_000_000_123_456_789
ANSWER = Reflected(
    sequence=7,
    reflector_sequence=5,
    reached_ns=NOW_NS + 1_000,
    left_ns=NOW_NS + 2_001,
    error_estimate=encode_error(0.01),
    time_to_live=63,
    traffic_class=184,
)


def make_request(padding_bytes=0, keys=KEYS):
    return build_request(keys, 7, sent_ns=NOW_NS, error_estimate=1, padding_bytes=padding_bytes)


def parse(packet, padding_bytes=0, keys=KEYS):
    return parse_reflected(keys, packet, padding_bytes=padding_bytes, near_ns=NOW_NS)


@pytest.mark.parametrize("padding_bytes", [0, 1, 1000])
def test_an_answer_is_as_long_as_its_request_and_says_what_the_peer_saw(padding_bytes):
    request = make_request(padding_bytes)
    packet = build_reflected(KEYS, request, ANSWER)
    assert len(packet) == len(request) == PACKET_BYTES + padding_bytes
    assert parse(packet, padding_bytes) == ANSWER


def test_fields_lie_where_rfc_8762_has_them():
    request = make_request()
    assert request[:4] == (7).to_bytes(4)
    assert request[16:24] == encode_stamp(NOW_NS).to_bytes(8)
    assert request[24:26] == b"\0\1"
    assert not any(request[4:16] + request[28:96])
    reflected = build_reflected(KEYS, request, ANSWER)
    assert reflected[:4] == (5).to_bytes(4)
    assert reflected[16:24] == encode_stamp(ANSWER.left_ns).to_bytes(8)
    assert reflected[32:40] == encode_stamp(ANSWER.reached_ns).to_bytes(8)
    assert reflected[48:52] == request[:4]
    assert reflected[64:74] == request[16:26]
    assert reflected[80] == 63
    assert reflected[26:28] == request[26:28] == KEYS.tag.to_bytes(2)


def test_only_the_key_of_the_run_proves_a_packet():
    assert is_request(KEYS, make_request())
    assert not is_request(OTHER_KEYS, make_request())
    assert not is_request(SessionKeys.derive(bytes(32), "another"), make_request())
    assert parse(build_reflected(OTHER_KEYS, make_request(), ANSWER)) is None


def test_no_answer_passes_for_a_request_nor_the_other_way_round():
    request = make_request()
    assert not is_request(KEYS, build_reflected(KEYS, request, ANSWER))
    assert parse(request) is None


@given(st.integers(0, PACKET_BYTES + 63), st.integers(1, 255))
def test_a_damaged_answer_is_none(place, change):
    packet = bytearray(build_reflected(KEYS, make_request(64), ANSWER))
    packet[place] ^= change
    assert parse(bytes(packet), 64) is None


@given(st.binary(max_size=400))
def test_noise_is_nothing(noise):
    assert not is_request(KEYS, noise)
    assert parse(noise) is None
    assert parse_report(KEYS, noise) is None


@given(
    st.integers(0, 2**63 - 1).filter(lambda ns: ns < 6_000_000_000 * 10**9), st.integers(-60, 60)
)
def test_a_stamp_keeps_every_nanosecond_across_the_eras_of_ntp(unix_ns, years_away):
    near_ns = unix_ns + years_away * 365 * 86_400 * 10**9
    assert decode_stamp(encode_stamp(unix_ns), near_ns) == unix_ns


def test_the_epoch_of_unix_is_that_of_rfc_5905():
    assert encode_stamp(0) == 2_208_988_800 << 32


@given(st.floats(1e-9, 4e8))
def test_an_error_is_never_told_smaller_than_it_is(seconds):
    assert seconds <= decode_error(encode_error(seconds)) <= seconds * 1.01 + 2**-32


def test_the_error_of_a_clock_that_nothing_synchronises_is_unknown():
    assert decode_error(encode_error(None)) is None


def test_a_report_is_as_long_as_the_request_for_it_and_lists_what_arrived():
    request = build_report_request(KEYS, 8192)
    assert is_request(KEYS, request)
    assert (read_sequence(request), read_report_request(request)) == (REPORT_SEQUENCE, (8192, 0))
    packet = build_report(KEYS, Report(8192, 3, 1, 2, bytes([0b1010_0000, 0b1000_0000])))
    assert len(packet) == len(request) == REPORT_BYTES
    report = parse_report(KEYS, packet)
    assert (report.received_count, report.duplicate_count, report.reordered_count) == (3, 1, 2)
    arrived = [number for number in range(8192, 16_384) if report.has(number)]
    assert arrived == [8192, 8194, 8200]


@pytest.mark.parametrize("place", [5, 100, PACKET_BYTES, REPORT_BYTES - 1])
def test_a_damaged_report_is_none(place):
    packet = bytearray(build_report(KEYS, Report(0, 0, 0, 0)))
    packet[place] ^= 1
    assert parse_report(KEYS, bytes(packet)) is None


def test_a_short_request_gets_no_report_since_that_would_be_longer():
    assert read_report_request(build_report_request(KEYS, 0)[:-1]) is None


def test_keys_are_in_no_text():
    assert KEYS.forward.hex() not in repr(KEYS)
    assert repr(KEYS.forward) not in repr(KEYS)
