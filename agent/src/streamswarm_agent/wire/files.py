"""Where the shared contract's files are: beside this module when installed, else in the tree."""

import json
from pathlib import Path
from typing import Any

_INSTALLED_DIRECTORY = Path(__file__).parent / "v1"
_SOURCE_DIRECTORY = Path(__file__).parents[3] / "wire" / "v1"


def find_wire_directory() -> Path:
    """The directory that holds `metrics.json` and `kinds/`."""
    return _INSTALLED_DIRECTORY if _INSTALLED_DIRECTORY.is_dir() else _SOURCE_DIRECTORY


def load_wire_file(relative_path: str) -> Any:
    """The parsed JSON of one file of the contract."""
    return json.loads((find_wire_directory() / relative_path).read_text(encoding="utf-8"))
