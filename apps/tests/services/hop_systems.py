"""The autonomous systems of a trace's hops, which the server adds to what the agent found."""

from collections.abc import Mapping
from typing import Any

from apps.core.autonomous_systems import find_systems

KEY = "path.hop.asn"
MOST_HOPS = 64
MOST_STATIONS = 64
FACT_LENGTH = 1024
NO_TABLE, NO_ANSWER = "U", "T"


def name_systems(document: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """The fact `path.hop.asn` as `hop AS-number name; ...`, or the code of why there is none.

    Both are empty for what is no trace. Addresses that the table does not have are left out.
    """
    stations = list_stations(document.get("hops"))
    if stations is None:
        return {}, {}
    if not stations:
        return {}, {KEY: NO_ANSWER}
    systems = find_systems({address for _ttl, address in stations})
    if systems is None:
        return {}, {KEY: NO_TABLE}
    known = [f"{ttl} {systems[address]}" for ttl, address in stations if address in systems]
    return {KEY: "; ".join(dict.fromkeys(known))[:FACT_LENGTH] or "none"}, {}


def list_stations(hops: Any) -> list[tuple[int, str]] | None:
    """Hop and address of all that answered; None when there are no hops of a trace."""
    if not isinstance(hops, list):
        return None
    found = []
    for hop in hops[:MOST_HOPS]:
        if not isinstance(hop, dict) or not isinstance(hop.get("stations"), list):
            return None
        for station in hop["stations"][:MOST_STATIONS]:
            address = station.get("address") if isinstance(station, dict) else None
            if isinstance(address, str) and isinstance(hop.get("ttl"), int):
                found.append((hop["ttl"], address))
    return found
