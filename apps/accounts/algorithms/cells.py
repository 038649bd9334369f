"""Cells of a table that a spreadsheet will open."""

TRIGGERS = ("=", "+", "-", "@", "\t", "\r")


def guard_cell(value: str | float | None) -> str | float:
    """The value as a spreadsheet shows it and never executes it; numbers stay numbers.

    Text that starts with = + - @ tab or CR gets a leading apostrophe; None is empty.
    Source: OWASP, CSV Injection.
    """
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(TRIGGERS):
        return f"'{value}"
    return value
