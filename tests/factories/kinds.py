"""Kinds of test for two participants, and for one that needs its client to itself."""

import gc

from apps.tests.kinds import KINDS, Kind
from tests.factories.clients import INVENTORY

HEADLINE = ("net.rtt.median", "net.packet.loss.ratio")
ANSWERING = {
    **INVENTORY,
    "probes": ["ping", "talk", "flood", "solo"],
    "responder": {"port": 8620, "kinds": ["talk", "flood"]},
}


def build_kind(name, **schema):
    return Kind(
        name=name,
        headline=HEADLINE,
        chart=HEADLINE,
        added_schema={
            "title": name.title(),
            "description": "For tests alone.",
            "x-target": "host",
            "x-target-label": "Host",
            "x-load": {"packets": 10, "bytes": 1000},
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "is_loud": {"type": "boolean", "default": False, "x-class": {"true": "exclusive"}}
            },
            **schema,
        },
    )


TALK = build_kind("talk", **{"x-participants": 2, "x-class": "normal"})
FLOOD = build_kind("flood", **{"x-participants": 2, "x-class": "exclusive", "properties": {}})
SOLO = build_kind("solo", **{"x-class": "exclusive", "properties": {}})


def install_kinds(monkeypatch):
    """Makes the server know the kinds `talk`, `flood` (exclusive) and `solo` (exclusive, alone)."""
    (table,) = gc.get_referents(KINDS)
    for kind in (TALK, FLOOD, SOLO):
        monkeypatch.setitem(table, kind.name, kind)
