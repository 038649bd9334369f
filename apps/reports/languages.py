"""The languages that a report can be written in; the pages themselves speak those of the settings.

A new one is a folder in `locale/` and a line here.
"""

LANGUAGES: tuple[tuple[str, str], ...] = (
    ("en", "English"),
    ("de", "Deutsch"),
    ("es", "Español"),
    ("fr", "Français"),
)
CODES = tuple(code for code, _name in LANGUAGES)
