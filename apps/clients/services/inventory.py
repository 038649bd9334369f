"""What an agent says of its host, kept on its client."""

import hashlib
import json
from typing import Any

from apps.clients.models import Client, Interface
from apps.clients.published import ClientChanged
from apps.core.bus import publish
from apps.core.clock import read_now

HASH_LENGTH = 16


def hash_inventory(inventory: dict[str, Any]) -> str:
    """The first 16 hex digits of the SHA-256 of the canonical JSON (docs/wire.md)."""
    text = json.dumps(inventory, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]


def apply_inventory(*, client: Client, inventory: dict[str, Any]) -> None:
    """Replace the client's inventory and interfaces by what the agent describes."""
    version = str(inventory.get("operating_system_version", ""))
    client.inventory = inventory
    client.inventory_hash = hash_inventory(inventory)
    client.inventory_at = read_now()
    client.hostname = str(inventory.get("hostname", ""))[:253]
    client.operating_system = f"{inventory.get('operating_system', '')} {version}".strip()[:100]
    client.save(
        update_fields=[
            "inventory", "inventory_hash", "inventory_at", "hostname", "operating_system",
        ]
    )  # fmt: skip
    rows = {str(item["name"]): item for item in inventory.get("interfaces", [])}
    Interface.objects.filter(client=client).exclude(name__in=rows).delete()
    Interface.objects.bulk_create(
        [
            Interface(
                client=client,
                name=name[:64],
                mac_address=str(row.get("mac_address") or "")[:32],
                addresses=list(row.get("addresses") or []),
                mtu_bytes=row.get("mtu_bytes"),
                speed_bits_per_second=row.get("speed_bits_per_second"),
                is_up=bool(row.get("is_up")),
            )
            for name, row in rows.items()
        ],
        update_conflicts=True,
        unique_fields=["client", "name"],
        update_fields=["mac_address", "addresses", "mtu_bytes", "speed_bits_per_second", "is_up"],
    )
    publish(ClientChanged(client.id))
