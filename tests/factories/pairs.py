"""Clients that answer each other, and tests between them."""

from apps.core.clock import read_now
from apps.tests.models import Assignment
from tests.factories.clients import make_client
from tests.factories.kinds import ANSWERING
from tests.factories.tests import make_test


def make_end(name, address="", **fields):
    """A client whose agent takes both parts of a pair, at that address."""
    client = make_client(
        name,
        **{
            "inventory": ANSWERING,
            "inventory_hash": "answering",
            "presence": "online",
            "last_heartbeat_at": read_now(),
            "last_address": "198.51.100.1",
            **fields,
        },
    )
    if address:
        client.interfaces.create(name="eth0", addresses=[address], is_up=True)
    return client


def make_pair(hub, other, *, kind="talk", name="Pair", **fields):
    """The assignment of a new test from `hub` to `other`."""
    test = make_test(
        name, other, **{"kind": kind, "target": "", "topology": "pair", "hub_id": hub.id, **fields}
    )
    return Assignment.objects.select_related("test", "client", "peer").get(test=test)


def make_mesh(*clients, kind="talk", name="Mesh", **fields):
    return make_test(name, *clients, **{"kind": kind, "target": "", "topology": "mesh", **fields})


def list_ends_by_name(test):
    """Who initiates and who answers, by name, of the test's present assignments."""
    rows = test.assignments.filter(removed_at=None).order_by()
    return sorted(rows.values_list("client__name", "peer__name"))
