"""Clients with what is needed to be one."""

from apps.clients.models import Client, Site, Tag
from apps.clients.services import issue_enrolment_token
from apps.clients.services.keys import issue_key
from apps.core.clock import read_now

INVENTORY = {
    "hostname": "probe-1.example",
    "operating_system": "Debian GNU/Linux",
    "operating_system_version": "12",
    "kernel": "6.1.0",
    "architecture": "x86_64",
    "python_version": "3.11.2",
    "cpu_model": "test",
    "cpu_count": 2,
    "memory_bytes": 2_000_000_000,
    "disks": [],
    "interfaces": [
        {
            "name": "eth0",
            "mac_address": "02:00:00:00:00:01",
            "addresses": ["192.0.2.10"],
            "mtu_bytes": 1500,
            "speed_bits_per_second": None,
            "is_up": True,
        }
    ],
    "capabilities": {"icmp_raw": {"is_available": True}},
    "probes": ["ping"],
}


def make_site(slug="vienna"):
    return Site.objects.get_or_create(slug=slug, defaults={"name": slug.title()})[0]


def make_tag(slug="edge"):
    return Tag.objects.get_or_create(slug=slug, defaults={"name": slug.title()})[0]


def make_client(name="probe-1", *, site="", tags=(), **fields):
    client = Client.objects.create(
        name=name,
        site=make_site(site) if site else None,
        **{"enrolled_at": read_now(), **fields},
    )
    client.tags.set([make_tag(slug) for slug in tags])
    return client


def make_key(client):
    """The secret of a new key of the client."""
    return issue_key(client)


def make_enrolment(**fields):
    """The secret of a new enrolment token."""
    return issue_enrolment_token(**{"name": "test", **fields})[1]


def agent(secret):
    """The keyword arguments of a test client's request that comes from an agent."""
    return {"headers": {"authorization": f"Agent {secret}"}}
