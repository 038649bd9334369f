"""Cells of a table that a spreadsheet will open."""

import re

# In a spreadsheet of East Asian settings the full-width forms begin a formula as well.
SIGNS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# Where a cell ends for a spreadsheet that is told so, or is of a country that writes 1,5.
BREAKS = ("\t", "\r", "\n", ";")
TRIGGERS = (*SIGNS, "\t", "\r", "\n")
# What some spreadsheets overlook in front of a formula.
OVERLOOKED = " \u00a0\u200b\u2060\u3000\ufeff"
BEFORE_FORMULA = rf'(?=[{OVERLOOKED}"]*+[{"".join(map(re.escape, SIGNS))}])'
BREAK = re.compile(f"[{''.join(BREAKS)}]{BEFORE_FORMULA}")
SEMICOLON = re.compile(f";{BEFORE_FORMULA}")


def guard_text(text: str) -> str:
    """The text as a spreadsheet shows it and never executes it.

    Text that begins with = + - @ tab CR LF or the full-width form of one of them, also behind
    blanks, gets a leading apostrophe; so does what begins with a formula behind a semicolon, tab
    or line end inside of it, where another spreadsheet begins a cell. Source: OWASP, CSV Injection.
    """
    guarded = BREAK.sub(r"\g<0>'", text)
    return f"'{guarded}" if text.lstrip(OVERLOOKED).startswith(TRIGGERS) else guarded


def guard_document(text: str) -> str:
    """A JSON document with the same content, in which no formula stands behind a semicolon.

    It begins with none, and what is in its texts of tabs and line ends is escaped as it is.
    """
    return SEMICOLON.sub(r"\\u003b", text)
