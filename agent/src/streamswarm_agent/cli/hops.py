"""The hops of a trace, as a table for a terminal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from streamswarm_agent.cli.quantities import format_quantity

if TYPE_CHECKING:
    from rich.table import Table

TIME = "path.hop.rtt.median"
LOSS = "path.hop.loss.ratio"


def build_hop_table(document: Mapping[str, Any]) -> "Table | None":
    """A row for each address that answered at a hop, `*` for none; None without hops."""
    from rich.table import Table

    hops = document.get("hops")
    if not hops:
        return None
    table = Table("hop", "address", "loss", "min", "median", "max", "flows", "", box=None)
    for hop in hops:
        for number, station in enumerate(hop["stations"] or [None]):
            head = (str(hop["ttl"]), format_quantity(LOSS, hop["loss_ratio"]))
            table.add_row(*_describe(*(head if number == 0 else ("", "")), hop, station))
    return table


def _describe(
    ttl: str, loss: str, hop: Mapping[str, Any], station: Mapping[str, Any] | None
) -> tuple[str, ...]:
    if station is None:
        return ttl, "*", loss, "", "", "", "", ""
    times = (format_quantity(TIME, station[name]) for name in ("rtt_min", "rtt_median", "rtt_max"))
    name = f" ({station['name']})" if station["name"] else ""
    remarks = [station["text"]] if station["text"] else []
    if station["labels"]:
        remarks.append("MPLS " + ", ".join(str(one["label"]) for one in station["labels"]))
    if loss and hop["is_rate_limited"]:
        remarks.append("limits its answers")
    flows = str(len(station["flows"]))
    return ttl, station["address"] + name, loss, *times, flows, "; ".join(remarks)
