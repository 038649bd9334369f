import socket

import pytest

from streamswarm_agent.errors import NameNotResolved, StateUnusable, TargetRefused
from streamswarm_agent.runtime.egress import PolicyResolver, parse_networks, read_local_denials

NAMES = {
    "plain.example": ["192.0.2.1"],
    "both.example": ["169.254.169.254", "192.0.2.1"],
    "metadata.example": ["169.254.169.254"],
    "six.example": ["2001:db8::1"],
}


async def look_up(host, family):
    if host not in NAMES:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return [
        address
        for address in NAMES[host]
        if family in {socket.AF_UNSPEC, socket.AF_INET6 if ":" in address else socket.AF_INET}
    ]


def make_resolver(*denied, local=()):
    resolver = PolicyResolver(parse_networks(local, "test"), look_up)
    resolver.replace_server_denials(denied)
    return resolver


async def test_a_name_becomes_its_first_allowed_address():
    resolver = make_resolver("169.254.0.0/16")
    assert await resolver.resolve("plain.example") == "192.0.2.1"
    assert await resolver.resolve("both.example") == "192.0.2.1"


async def test_a_target_whose_every_address_is_denied_is_refused_with_the_network():
    with pytest.raises(TargetRefused, match=r"169\.254\.0\.0/16"):
        await make_resolver("169.254.0.0/16").resolve("metadata.example")


async def test_an_unknown_name_and_a_missing_ip_version_are_said():
    with pytest.raises(NameNotResolved, match="Name or service not known"):
        await make_resolver().resolve("missing.example")
    with pytest.raises(NameNotResolved, match="no address"):
        await make_resolver().resolve("six.example", "4")


@pytest.mark.parametrize(
    ("address", "denied"),
    [
        ("127.0.0.1", "127.0.0.0/8"),
        ("::ffff:127.0.0.1", "127.0.0.0/8"),
        ("::ffff:7f00:1", "127.0.0.0/8"),
        ("::127.0.0.1", "127.0.0.0/8"),
        ("64:ff9b::a9fe:a9fe", "169.254.0.0/16"),
        ("2002:7f00:1::", "127.0.0.0/8"),
        ("0.0.0.0", "127.0.0.0/8"),  # noqa: S104 - reaches this host like 127.0.0.1
        ("::", "::1/128"),
        ("fe80::1%lo", "fe80::/10"),
        ("::1", "::1/128"),
    ],
)
def test_no_form_of_a_denied_address_is_allowed(address, denied):
    assert str(make_resolver(denied).find_denial(address)) == denied


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "::1"])
def test_other_addresses_are_allowed(address):
    assert make_resolver("127.0.0.0/8", "fe80::/10").find_denial(address) is None


@pytest.mark.parametrize("form", ["2130706433", "0x7f.1", "127.1"])
async def test_numbers_that_mean_loopback_are_denied_as_loopback(form):
    resolver = PolicyResolver()
    resolver.replace_server_denials(["127.0.0.0/8"])
    with pytest.raises((TargetRefused, NameNotResolved)):
        await resolver.resolve(form)


async def test_the_server_cannot_lift_what_the_host_denies():
    resolver = make_resolver("10.0.0.0/8", local=["192.0.2.0/24"])
    resolver.replace_server_denials([])
    with pytest.raises(TargetRefused):
        await resolver.resolve("plain.example")


def test_a_policy_that_is_not_understood_leaves_the_former_one():
    resolver = make_resolver("10.0.0.0/8")
    with pytest.raises(StateUnusable, match="policy of the server"):
        resolver.replace_server_denials(["10.0.0.0/8", "everything"])
    assert resolver.find_denial("10.1.2.3") is not None


def test_the_hosts_own_list_is_read_from_its_file_and_the_settings(tmp_path):
    deny_file = tmp_path / "deny"
    deny_file.write_text("# cameras\n192.0.2.0/24  # all of them\n\n2001:db8::/32\n")
    networks = read_local_denials(deny_file, ["10.0.0.0/8", "127.0.0.1"])
    assert [str(network) for network in networks] == [
        "10.0.0.0/8",
        "127.0.0.1/32",
        "192.0.2.0/24",
        "2001:db8::/32",
    ]


def test_an_entry_that_is_no_network_stops_the_agent_by_name(tmp_path):
    deny_file = tmp_path / "deny"
    deny_file.write_text("internal\n")
    with pytest.raises(StateUnusable, match=r"deny: .*internal"):
        read_local_denials(deny_file)
    with pytest.raises(StateUnusable, match=r"policy\.denied_networks"):
        read_local_denials(tmp_path / "none", ["a"])
