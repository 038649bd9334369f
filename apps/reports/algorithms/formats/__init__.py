"""The formats of exports: one file and one line each."""

from collections.abc import Mapping
from importlib.util import find_spec

from apps.core.errors import FieldError, Invalid
from apps.reports.algorithms.formats.base import Format, Style, Writer
from apps.reports.algorithms.formats.comma_separated import COMMA_SEPARATED
from apps.reports.algorithms.formats.json_document import JSON_DOCUMENT
from apps.reports.algorithms.formats.json_lines import JSON_LINES
from apps.reports.algorithms.formats.parquet import PARQUET

__all__ = ["FORMATS", "Format", "Style", "Writer", "find_format", "is_installed"]

FORMATS: Mapping[str, Format] = {
    one.name: one for one in (COMMA_SEPARATED, JSON_DOCUMENT, JSON_LINES, PARQUET)
}


def find_format(name: str, *, is_gzip: bool = False) -> Format:
    """The format of that name.

    Raises: Invalid for one that there is not, or that needs what is not installed, and for gzip
    around one that is compressed as it is.
    """
    found = FORMATS.get(name)
    if found is None:
        raise Invalid(
            [FieldError("format", "unknown_format", f"must be one of {', '.join(FORMATS)}")]
        )
    if not is_installed(found):
        detail = (
            f"{found.title} needs the optional package {found.requires}; on the server run: "
            f"pip install -r requirements/{found.name}.txt"
        )
        raise Invalid([FieldError("format", "not_installed", detail)])
    if is_gzip and not found.may_gzip:
        detail = f"is not for {found.title}, which is compressed as it is"
        raise Invalid([FieldError("gzip", "already_compressed", detail)])
    return found


def is_installed(one: Format) -> bool:
    return not one.requires or find_spec(one.requires) is not None
