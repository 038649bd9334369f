"""Kinds of test that plug-ins add, and what stands in for one whose plug-in is gone."""

from collections.abc import Mapping
from types import MappingProxyType

from apps.metrics.contracts import load_contracts
from apps.tests.kinds.base import Kind


class KindTable(dict[str, Kind]):
    """The kinds by name; reading an unknown one by its key gives a stand-in.

    Tests outlive the plug-in of their kind: their pages and history must still open. `get` and
    `in` tell the truth, so that nobody makes a new test of such a kind.
    """

    def __missing__(self, name: str) -> Kind:
        return Kind(
            name=name,
            headline=(),
            chart=(),
            added_schema={
                "title": f"{name} (plug-in not installed)",
                "description": "The plug-in that measures this is not installed on this server.",
                "x-target": "host",
                "x-target-label": "Target",
                "type": "object",
                "properties": {},
            },
        )


def build_kinds(own: Mapping[str, Kind]) -> Mapping[str, Kind]:
    """Our kinds and those of the plug-ins' contracts."""
    added = {
        name: Kind(
            name=name,
            headline=contract.headline,
            chart=contract.chart,
            added_schema=contract.kind,
        )
        for name, contract in load_contracts().items()
        if contract.kind is not None
    }
    return MappingProxyType(KindTable({**added, **own}))
