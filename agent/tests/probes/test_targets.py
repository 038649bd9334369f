import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes.targets import is_address, parse_host, parse_web_address


@pytest.mark.parametrize(
    ("typed", "normal"),
    [
        ("Example.COM.", "example.com"),
        ("_sip._tcp.example.com", "_sip._tcp.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("localhost", "localhost"),
    ],
)
def test_a_host_is_brought_into_one_form(typed, normal):
    assert parse_host(typed) == normal


@pytest.mark.parametrize(
    "typed",
    [
        "",
        ".",
        "-c1",
        "--help",
        "a b",
        " example.com",
        "example.com\n",
        "a\x00b",
        "a\u200bb",
        "a..b",
        ".example.com",
        "host-.example",
        "a" * 64,
        ".".join(["a" * 60] * 5),
        "example.com;id",
        "$(id)",
        "127.1",
        "2130706433",
        "0x7f000001",
        "1.2.3.4.5",
        "[::1]",
        "::1%eth0;id",
        "http://example.com",
    ],
)
def test_what_is_no_host_is_refused_with_the_name_of_the_field(typed):
    with pytest.raises(ProbeFailed, match=r"^resolver: "):
        parse_host(typed, "resolver")


@given(st.text(max_size=300))
def test_any_text_is_either_refused_or_has_a_stable_form(text):
    try:
        host = parse_host(text)
    except ProbeFailed:
        return
    assert parse_host(host) == host
    assert host.isascii()
    assert not host.startswith("-")
    assert len(host) <= 253


def test_a_url_is_taken_apart_and_put_together_again():
    address = parse_web_address("HTTPS://Example.com:8443/a b/?q=ü&x=%20".replace("a b", "ab"))
    assert (address.scheme, address.host, address.port) == ("https", "example.com", 8443)
    assert address.resource == "/ab/?q=%C3%BC&x=%20"
    assert address.authority == "example.com:8443"
    assert address.url_at("2001:db8::1") == "https://[2001:db8::1]:8443/ab/?q=%C3%BC&x=%20"


def test_the_usual_port_and_path_are_understood():
    address = parse_web_address("http://[2001:db8::1]")
    assert (address.port, address.resource) == (80, "/")
    assert address.url == "http://[2001:db8::1]/"
    assert is_address(address.host)


@pytest.mark.parametrize(
    "typed",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "example.com",
        "http://",
        "http:///path",
        "http://user:secret@example.com/",
        "http://example.com:99999/",
        "http://example.com/\r\nHost: other",
        "http://exa mple.com/",
        "http://-example.com/",
        "http://0x7f.1/",
        "http://[::1/",
        "javascript:alert(1)",
    ],
)
def test_what_is_no_web_address_is_refused(typed):
    with pytest.raises(ProbeFailed, match=r"^target: "):
        parse_web_address(typed)


@given(st.text(max_size=100))
def test_any_text_after_the_scheme_is_refused_or_gives_an_ascii_request_line(text):
    try:
        address = parse_web_address("http://" + text)
    except ProbeFailed:
        return
    assert address.url.isascii()
    assert not any(character.isspace() for character in address.url)
