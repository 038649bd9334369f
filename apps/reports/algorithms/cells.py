"""Cells of a table that a spreadsheet will open."""

# In a spreadsheet of East Asian settings the full-width forms begin a formula as well.
TRIGGERS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# What some spreadsheets overlook in front of a formula.
OVERLOOKED = " \u00a0\u200b\u2060\u3000\ufeff"


def guard_text(text: str) -> str:
    """The text as a spreadsheet shows it and never executes it.

    Text that begins with = + - @ tab CR LF or the full-width form of one of them, also behind
    blanks, gets a leading apostrophe. Source: OWASP, CSV Injection.
    """
    return f"'{text}" if text.lstrip(OVERLOOKED).startswith(TRIGGERS) else text
