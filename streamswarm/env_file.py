"""Files of `NAME=value` lines, such as `.env`: settings where no environment is at hand."""

import re
from pathlib import Path

LINE_PATTERN = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
COMMENT_PATTERN = re.compile(r"\s#.*$")
QUOTED_PATTERN = re.compile(r"""(?P<quote>["'])(?P<text>.*?)(?<!\\)(?P=quote)\s*(?:#.*)?""")
ESCAPE_PATTERN = re.compile(r'\\(["\\])')


class EnvFileError(ValueError):
    """A line that is no setting; the message names file and line, never the line's text."""


def read_env_file(path: Path) -> dict[str, str]:
    """The settings in the file; nothing when there is no such file.

    Raises: EnvFileError for a line that is neither `NAME=value`, a comment nor empty.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise EnvFileError(f"{path} cannot be read: {error}") from None
    settings: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            settings.update(read_line(line.strip()))
        except ValueError as error:
            raise EnvFileError(f"{path}, line {number}: {error}") from None
    return settings


def read_line(line: str) -> dict[str, str]:
    """The one setting of a line, or none of a comment.

    Raises: ValueError saying what is wrong, without the value: it may be a secret.
    """
    if not line or line.startswith("#"):
        return {}
    found = LINE_PATTERN.fullmatch(line)
    if found is None:
        raise ValueError("must be NAME=value, a comment that begins with #, or empty")
    name, value = found.groups()
    if value[:1] not in {'"', "'"}:
        return {name: COMMENT_PATTERN.sub("", f" {value}").strip()}
    quoted = QUOTED_PATTERN.fullmatch(value)
    if quoted is None:
        raise ValueError(f"the quoted value of {name} must end with the quote it begins with")
    text = quoted["text"]
    return {name: ESCAPE_PATTERN.sub(r"\1", text) if quoted["quote"] == '"' else text}
