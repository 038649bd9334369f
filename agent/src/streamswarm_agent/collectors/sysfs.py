"""Reading small files of `/sys` and `/proc`, and names for what they describe."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from streamswarm_agent.collectors.measures import Measure, read_if_supported

MAX_SENSORS = 48
LONGEST_NAME = 64
FORBIDDEN = str.maketrans(dict.fromkeys(",={}", " "))


def list_numbered(folder: Path, pattern: str) -> list[Path]:
    """What matches, `hwmon2` before `hwmon10`."""
    return sorted(folder.glob(pattern), key=lambda path: (len(path.name), path.name))


def read_number(path: Path) -> float | None:
    try:
        return float(int(read_text(path)))
    except ValueError:
        return None


def measure_file(path: Path, divisor: float = 1.0) -> Measure:
    """The file's whole number divided; P when this process may not read it, U without a number."""
    try:
        return int(path.read_text(encoding="ascii")) / divisor
    except PermissionError:
        return "P"
    except (OSError, ValueError):
        return "U"


def read_text(path: Path) -> str:
    """The file's text without blanks around it, empty when it cannot be read."""
    read = path.read_text
    return (read_if_supported(lambda: read(encoding="utf-8", errors="replace")) or "").strip()


def name_apart(named: Iterable[tuple[str, Path]]) -> Iterator[tuple[str, Path]]:
    """The first 48 with names that fit into a metric's key and occur once."""
    used: set[str] = set()
    for text, path in named:
        stem = clean_name(text) or "sensor"
        name, number = stem, 1
        while name in used:
            number += 1
            name = f"{stem} {number}"
        used.add(name)
        yield name, path
        if len(used) == MAX_SENSORS:
            return


def clean_name(text: str) -> str:
    """The text as an attribute of a metric's key may have it, at most 60 letters."""
    printable = "".join(letter for letter in text if letter.isprintable())
    return " ".join(printable.translate(FORBIDDEN).split())[: LONGEST_NAME - 4]
