"""Writes what is said about the variables: the table of docs/settings.md, and .env.example.

Run it as `python scripts/write_settings.py`.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from streamswarm.listing import (  # noqa: E402 - the path comes first
    TABLE_HEAD,
    write_example,
    write_table,
)


def replace_table(page: str) -> str:
    """The page with its table written anew."""
    before, found, rest = page.partition(TABLE_HEAD)
    if not found:
        raise SystemExit(f"docs/settings.md has no line {TABLE_HEAD!r}")
    _old, blank, after = rest.partition("\n\n")
    return before + write_table().rstrip("\n") + blank + after


def main() -> None:
    page = ROOT / "docs" / "settings.md"
    page.write_text(replace_table(page.read_text("utf-8")), "utf-8")
    (ROOT / ".env.example").write_text(write_example(), "utf-8")


if __name__ == "__main__":
    main()
