"""X-Forwarded-For is believed as far as trusted proxies wrote it, and no further."""

import pytest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from apps.core.addresses import read_client_address

PROXIES = ("10.0.0.0/8", "fd00::/8")


def read(settings, peer, header=None, proxies=PROXIES):
    settings.SWARM_TRUSTED_PROXIES = proxies
    headers = {} if header is None else {"x-forwarded-for": header}
    return read_client_address(RequestFactory(headers=headers).get("/", REMOTE_ADDR=peer))


@pytest.mark.parametrize(
    ("peer", "header", "expected"),
    [
        ("192.0.2.1", None, "192.0.2.1"),
        ("192.0.2.1", "198.51.100.1", "192.0.2.1"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "rubbish", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, rubbish", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("::ffff:10.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("fd00::1", "198.51.100.1", "198.51.100.1"),
        ("", "198.51.100.1", ""),
    ],
)
def test_the_address_is_the_nearest_that_no_proxy_of_ours_has(settings, peer, header, expected):
    assert read(settings, peer, header) == expected


def test_nobody_is_believed_unless_the_settings_name_proxies(settings):
    assert read(settings, "127.0.0.1", "198.51.100.1", proxies=()) == "127.0.0.1"


@given(st.text(alphabet="0123456789abcdef.:, %-", max_size=60))
def test_what_a_client_writes_left_of_the_proxy_changes_nothing(forged):
    from django.test import override_settings

    with override_settings(SWARM_TRUSTED_PROXIES=PROXIES):
        headers = {"x-forwarded-for": f"{forged},198.51.100.1"}
        request = RequestFactory(headers=headers).get("/", REMOTE_ADDR="10.0.0.1")
        assert read_client_address(request) == "198.51.100.1"
