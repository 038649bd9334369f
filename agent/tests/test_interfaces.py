import json

from agent.tests.host_readings import make_reading
from streamswarm_agent.cli.interfaces import describe, print_interfaces
from streamswarm_agent.cli.main import main

ETHERNET = {
    "name": "eth0",
    "mac_address": "02:00:00:00:00:01",
    "addresses": ["192.0.2.10", "2001:db8::10"],
    "mtu_bytes": 1500,
    "speed_bits_per_second": 1_000_000_000,
    "is_up": True,
}
TUNNEL = {
    "name": "tun\x1b[2J",
    "mac_address": "",
    "addresses": [],
    "mtu_bytes": 1400,
    "speed_bits_per_second": None,
    "is_up": False,
}


def test_each_interface_says_its_state_and_what_goes_through_it(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    print_interfaces([ETHERNET, TUNNEL], make_reading())
    lines = capsys.readouterr().out.splitlines()
    for text in ("eth0", "up", "1 Gbit/s", "1500", "12.3 Mbit/s", "1 kbit/s", "2.5", "192.0.2.10"):
        assert text in lines[1]
    assert "2001:db8::10" in lines[2]
    assert "down" in lines[3]
    assert "none" in lines[3]
    assert "\x1b[2J" not in "".join(lines)


def test_addresses_are_whole_on_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    print_interfaces([ETHERNET], make_reading())
    shown = capsys.readouterr().out
    assert "eth0: 192.0.2.10, 2001:db8::10" in shown
    assert "…" not in shown.partition("eth0: ")[2]


def test_a_host_without_interfaces_is_told_so(capsys):
    print_interfaces([], make_reading())
    assert "no network interface" in capsys.readouterr().out


def test_programs_get_values_and_reasons_of_each_interface():
    document = describe([ETHERNET, TUNNEL], make_reading())
    first, second = document["interfaces"]
    assert first["name"] == "eth0"
    assert first["values"]["system.network.io.rate{direction=transmit}"] == 1000.0
    assert second["values"] == {}


def test_the_command_reads_the_real_host(monkeypatch, capsys):
    monkeypatch.setattr("streamswarm_agent.cli.readings.time.sleep", lambda _seconds: None)
    assert main(["interfaces", "--json"]) == 0
    interfaces = json.loads(capsys.readouterr().out)["interfaces"]
    loopback = next(one for one in interfaces if "127.0.0.1" in one["addresses"])
    assert loopback["is_up"]
    assert loopback["values"]
    assert main(["interfaces"]) == 0
    assert loopback["name"] in capsys.readouterr().out
