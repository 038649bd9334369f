"""The first tests of a fresh server, so that figures are there within a minute."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from apps.accounts.services import audited
from apps.clients.models import Client
from apps.tests.models import Test
from apps.tests.services.changing import create_test
from apps.tests.services.definition import TestDefinition
from apps.tests.services.running import run_now

ROUTE_FILE = Path("/proc/net/route")
RESOLVER_FILE = Path("/etc/resolv.conf")
GATEWAY_FLAG = 0x2
DURATION_SECONDS = 10.0
SAMPLE_INTERVAL_SECONDS = 1.0
EVERY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Devices:
    """What is pinged from the first start on: pairs of name and address, and how often."""

    addresses: tuple[tuple[str, str], ...]
    every_seconds: float


def find_gateway(route_file: Path = ROUTE_FILE) -> str | None:
    """The default gateway's IPv4 address by the kernel's routing table; None without one."""
    if not route_file.exists():
        return None
    for line in route_file.read_text().splitlines()[1:]:
        columns = line.split()
        if columns[1] == "00000000" and int(columns[3], 16) & GATEWAY_FLAG:
            return str(ipaddress.IPv4Address(int.from_bytes(bytes.fromhex(columns[2]), "little")))
    return None


def has_resolver(resolver_file: Path = RESOLVER_FILE) -> bool:
    if not resolver_file.exists():
        return False
    return any(line.startswith("nameserver") for line in resolver_file.read_text().splitlines())


def describe_starter_tests(web_url: str) -> list[TestDefinition]:
    """Loopback, the own web page, and the resolver and the gateway where there are any."""
    wanted: list[tuple[str, str, str, dict[str, Any]]] = [
        ("Loopback", "ping", "127.0.0.1", {}),
        ("This server's web page", "http", f"{web_url}/healthz", {"interval_seconds": 2}),
    ]
    if has_resolver():
        wanted.append(("Resolver", "dns", "system", {"name": ".", "record_type": "NS"}))
    gateway = find_gateway()
    if gateway:
        wanted.append(("Gateway", "ping", gateway, {}))
    return [
        TestDefinition(
            name=name,
            kind=kind,
            target=target,
            parameters=parameters,
            duration_seconds=DURATION_SECONDS,
            sample_interval_seconds=SAMPLE_INTERVAL_SECONDS,
            every_seconds=EVERY_SECONDS,
        )
        for name, kind, target, parameters in wanted
    ]


def describe_device_tests(devices: Devices) -> list[TestDefinition]:
    """A ping test for each monitored device."""
    return [
        TestDefinition(
            name=name,
            kind="ping",
            target=address,
            duration_seconds=DURATION_SECONDS,
            sample_interval_seconds=SAMPLE_INTERVAL_SECONDS,
            every_seconds=devices.every_seconds,
        )
        for name, address in devices.addresses
    ]


@audited()
def create_starter_tests(
    *, client_id: UUID, web_url: str, devices: Devices | None = None
) -> list[Test]:
    """The tests made, each with a first run at once; none on a server that has any test.

    Raises: Invalid for a device whose address cannot be pinged.
    """
    if Test.objects.exists():
        return []
    client = Client.objects.get(id=client_id)
    definitions = describe_starter_tests(web_url)
    if devices is not None:
        definitions += describe_device_tests(devices)
    tests = [create_test(definition, clients=[client]) for definition in definitions]
    for test in tests:
        run_now(test=test)
    return tests
