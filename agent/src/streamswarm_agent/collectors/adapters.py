"""What network adapters and the kernel's queues before them count: ethtool and tc."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from streamswarm_agent.collectors.commands import RunCommand
from streamswarm_agent.collectors.measures import AbsentCode, Measure
from streamswarm_agent.collectors.sysfs import clean_name

# How drivers name packets lost for want of a free buffer (virtio and veth, e1000 and igb, ixgbe and
# i40e, mlx5, bnxt, tg3), those of a single queue left out: the sum is there as well.
RING_COUNTERS = frozenset(
    {
        "rx_drops", "rx_no_buffer_count", "rx_missed_errors", "rx_no_dma_resources",
        "rx_out_of_buffer", "rx_total_discard_pkts", "rx_discards", "rx_fifo_errors",
        "port.rx_dropped", "rx_no_buf_cnt",
    }
)  # fmt: skip
COUNTER = re.compile(r"^\s*([\w.\[\]-]+):\s*(\d+)$", re.MULTILINE)
LIGHT = re.compile(
    r"^\s*(?P<what>Laser output power|Receiver signal average optical power|"
    r"Transmit avg optical power|Rcvr signal avg optical power|Receiver signal OMA)"
    r"\s*(?:\(Channel (?P<lane>\d+)\))?\s*:\s*[\d.]+ mW / (?P<power>\S+) dBm",
    re.MULTILINE,
)
SENT = ("Laser output power", "Transmit avg optical power")
DARKNESS_DBM = -40.0
OPTICAL_POWER = "system.network.optical.power"


def has_device(sys_root: Path, name: str) -> bool:
    """Whether hardware stands behind the interface."""
    return (sys_root / "class" / "net" / name / "device").exists()


def count_ring_drops(run: RunCommand, name: str) -> float | None:
    """Packets that the adapter lost because its ring was full, by the driver's own counters.

    The largest of them, since drivers count the same loss under several names.
    """
    answer = run(("ethtool", "-S", name))
    if answer is None or not answer.is_good:
        return None
    counts = [
        float(count) for counter, count in COUNTER.findall(answer.text) if counter in RING_COUNTERS
    ]
    return max(counts, default=None)


def read_light(run: RunCommand, name: str) -> dict[str, Measure]:
    """Optical power in dBm by direction and lane; darkness is -40, the least a module can say.

    P without the right to read the module, N for a module that measures none, such as a copper
    cable, U where there is no module or no ethtool.
    """
    answer = run(("ethtool", "-m", name))
    if answer is None:
        return {OPTICAL_POWER: "U"}
    if not answer.is_good:
        code: AbsentCode = "P" if answer.is_refused else "U"
        return {OPTICAL_POWER: code}
    return dict(_find_light(answer.text)) or {OPTICAL_POWER: "N"}


def _find_light(report: str) -> Iterator[tuple[str, Measure]]:
    for found in LIGHT.finditer(report):
        direction = "transmit" if found["what"] in SENT else "receive"
        power = found["power"]
        key = f"{OPTICAL_POWER}{{direction={direction},lane={found['lane'] or 1}}}"
        yield key, DARKNESS_DBM if power == "-inf" else max(float(power), DARKNESS_DBM)


def read_queues(run: RunCommand) -> Mapping[str, Mapping[str, Measure]]:
    """By interface, what its outermost queue dropped, holds in bytes, and had to hold back."""
    answer = run(("tc", "-s", "-j", "qdisc", "show"))
    try:
        rows = json.loads(answer.text) if answer and answer.is_good else []
    except ValueError:
        return {}
    return {
        str(row.get("dev")): _measure_queue(row)
        for row in rows
        if isinstance(row, dict) and row.get("root")
    }


def _measure_queue(row: Mapping[str, Any]) -> dict[str, Measure]:
    attribute = f"{{qdisc={clean_name(str(row.get('kind')))}}}"
    fields = {"dropped": "drops", "backlog": "backlog", "overlimits": "overlimits"}
    return {
        f"qos.local.qdisc.{name}{attribute}": float(row.get(field, 0))
        for name, field in fields.items()
    }


NO_QUEUE: Mapping[str, Measure] = dict.fromkeys(
    (f"qos.local.qdisc.{name}" for name in ("dropped", "backlog", "overlimits")), "U"
)
