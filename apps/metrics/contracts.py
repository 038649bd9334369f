"""What plug-ins add to the contract between agents and server, judged by `plugin.json`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from apps.core.plugins import PluginRefusedError, load_plugins

WIRE_DIR = Path(__file__).resolve().parents[2] / "agent" / "wire" / "v1"
GROUP = "streamswarm.contracts"


@dataclass(frozen=True, slots=True)
class Contract:
    """Rows as in `metrics.json` and, for a kind of test, its schema and what lists show of it."""

    metrics: tuple[Mapping[str, Any], ...]
    kind: Mapping[str, Any] | None = None
    headline: tuple[str, ...] = ()
    chart: tuple[str, ...] = ()


def read_own_metrics() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((WIRE_DIR / "metrics.json").read_text())["metrics"]
    return rows


def accept_contract(name: str, document: Any) -> Contract:
    """The contract of one plug-in.

    Raises: PluginRefusedError naming the field that breaks a rule, or a name that is taken.
    """
    rules = json.loads((WIRE_DIR / "plugin.json").read_text())
    error = best_match(Draft202012Validator(rules).iter_errors(document))
    if error is not None:
        place = ".".join(str(part) for part in error.absolute_path) or "contract"
        raise PluginRefusedError(f"{place}: {error.message}")
    own = {row["name"] for row in read_own_metrics()}
    added = {row["name"] for row in document["metrics"]}
    if taken := sorted(own & added):
        raise PluginRefusedError(f"metrics: {', '.join(taken)} is in the catalogue already")
    shown = (*document.get("headline", ()), *document.get("chart", ()))
    if unknown := sorted(set(shown) - own - added):
        raise PluginRefusedError(f"headline, chart: {', '.join(unknown)} is no metric")
    check_kind(name, document.get("kind"))
    return Contract(
        metrics=tuple(document["metrics"]),
        kind=document.get("kind"),
        headline=tuple(document.get("headline", ())),
        chart=tuple(document.get("chart", ())),
    )


def check_kind(name: str, kind: Mapping[str, Any] | None) -> None:
    if kind is None:
        return
    if (WIRE_DIR / "kinds" / f"{name}.json").exists():
        raise PluginRefusedError(f"there is a kind of test called {name!r} already")
    Draft202012Validator.check_schema(kind)


@lru_cache(maxsize=1)
def load_contracts() -> Mapping[str, Contract]:
    """The contracts of the plug-ins by name; one that adds a metric of another's is left out."""
    seen: set[str] = set()

    def accept(name: str, document: Any) -> Contract:
        contract = accept_contract(name, document)
        names = {row["name"] for row in contract.metrics}
        if taken := sorted(names & seen):
            raise PluginRefusedError(f"metrics: {', '.join(taken)} comes with another plug-in")
        seen.update(names)
        return contract

    return load_plugins(GROUP, accept)
