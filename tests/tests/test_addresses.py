"""Where one client finds another: the first that is said, near, global or seen."""

import pytest

from apps.tests.algorithms.addresses import PeerAddress, Whereabouts, choose_address


def at(*addresses, seen="", said=""):
    return Whereabouts(addresses, seen, said)


HOME = at("192.168.1.5", "fe80::1", seen="198.51.100.1")


@pytest.mark.parametrize(
    ("peer", "options", "expected"),
    [
        (at("10.0.0.1"), {"override": "203.0.113.1"}, ("203.0.113.1", "test")),
        (at("10.0.0.1", said="203.0.113.2"), {}, ("203.0.113.2", "client")),
        (at("10.0.0.1", "192.168.1.77"), {}, ("192.168.1.77", "network")),
        (at("10.0.0.1", seen="198.51.100.1"), {}, ("10.0.0.1", "site")),
        (at("10.0.0.1", "8.8.8.8", seen="203.0.113.3"), {}, ("8.8.8.8", "global")),
        (at("10.0.0.1", seen="203.0.113.3"), {}, ("203.0.113.3", "seen")),
        (at("10.0.0.1"), {}, ("10.0.0.1", "only")),
        (at("fe80::2", "127.0.0.1", "::", "224.0.0.1", "nonsense"), {}, ("", "none")),
        (at("8.8.8.8", "2606:4700::1"), {}, ("8.8.8.8", "global")),
        (at("8.8.8.8", "2606:4700::1"), {"ip_version": "6"}, ("2606:4700::1", "global")),
        (at("8.8.8.8"), {"ip_version": "6"}, ("", "none")),
        (at(seen="127.0.0.1"), {}, ("127.0.0.1", "seen")),
    ],
)
def test_the_address_and_why_it_was_chosen(peer, options, expected):
    assert choose_address(HOME, peer, **options) == PeerAddress(*expected)


def test_neighbours_of_ipv6_share_64_bits():
    initiator, peer = at("2001:db8:0:1::5"), at("2001:db8:0:2::6", "2001:db8:0:1::6")
    assert choose_address(initiator, peer) == PeerAddress("2001:db8:0:1::6", "network")
