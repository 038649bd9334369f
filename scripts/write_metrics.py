"""Writes the tables of docs/metrics.md from the catalogue.

Run it as `python scripts/write_metrics.py` after a change of agent/wire/v1/metrics.json.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from apps.metrics.catalogue import build_catalogue  # noqa: E402 - the path comes first
from apps.metrics.contracts import read_own_metrics  # noqa: E402 - the path comes first
from apps.metrics.listing import BEGIN, write_tables  # noqa: E402 - the path comes first


def replace_tables(page: str) -> str:
    """The page with its tables written anew."""
    before, found, _old = page.partition(BEGIN)
    if not found:
        raise SystemExit(f"docs/metrics.md has no line {BEGIN!r}")
    return f"{before}{BEGIN}\n{write_tables(build_catalogue(read_own_metrics()).values())}"


def main() -> None:
    page = ROOT / "docs" / "metrics.md"
    page.write_text(replace_tables(page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
