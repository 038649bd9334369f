import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.tests.algorithms.targets import normalise_target


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("host", "Example.ORG.", "example.org"),
        ("host", " 192.0.2.1 ", "192.0.2.1"),
        ("host", "2001:DB8::0001", "2001:db8::1"),
        ("host", "[2001:db8::1]", "2001:db8::1"),
        ("host", "_dmarc.example.org", "_dmarc.example.org"),
        ("host", "münchen.de", "xn--mnchen-3ya.de"),
        ("host", "localhost", "localhost"),
        ("resolver", "SYSTEM", "system"),
        ("agent", " Agent ", "agent"),
        ("resolver", "9.9.9.9", "9.9.9.9"),
        ("url", "http://Example.org", "http://example.org/"),
        ("url", "https://example.org:8443/a?b=c#d", "https://example.org:8443/a?b=c"),
        ("url", "http://[2001:db8::1]:80/", "http://[2001:db8::1]:80/"),
    ],
)
def test_a_target_is_brought_into_its_canonical_form(form, text, expected):
    assert normalise_target(form, text) == expected
    assert normalise_target(form, expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ".",
        "a b",
        "-example.org",
        "example-.org",
        "-oProxyCommand=x",
        "a..b",
        "1.2.3.4.5",
        "1.2.3",
        "256.256.256.256",
        "example.org;id",
        "$(id)",
        "`id`",
        "a\nb",
        "a\0b",
        "x" * 64 + ".org",
        ".".join(["x" * 60] * 5),
        "http://example.org",
        "user@example.org",
        "host:80",
        "2001:db8::zz",
        "https://",
        "\ud800",
    ],
)
def test_what_is_no_host_is_refused_with_the_rule(text):
    with pytest.raises(ValueError, match=r"\w+"):
        normalise_target("host", text)


@pytest.mark.parametrize(
    "text",
    [
        "example.org",
        "ftp://example.org/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://",
        "http://user:secret@example.org/",
        "http://user@example.org/",
        "http://example.org:99999/",
        "http://example.org:x/",
        "http://exa mple.org/",
        "http://exam\nple.org/",
        "http://example.org/\x00",
        "http://-x/",
        "http://example.org/" + "x" * 2048,
        "http://[::1/",
    ],
)
def test_what_is_no_url_is_refused_with_the_rule(text):
    with pytest.raises(ValueError, match=r"\w+"):
        normalise_target("url", text)


def test_the_agents_own_host_goes_by_one_word_only():
    with pytest.raises(ValueError, match="must be 'agent'"):
        normalise_target("agent", "192.0.2.1")


@given(st.sampled_from(["host", "resolver", "url", "agent"]), st.text())
def test_any_text_is_either_refused_or_made_canonical(form, text):
    try:
        target = normalise_target(form, text)
    except ValueError:
        return
    assert normalise_target(form, target) == target
    assert target.isprintable()
    assert " " not in target
