"""Whether a body says what it should, judged within bounds of time and size."""

import asyncio
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streamswarm_agent.errors import ProbeFailed

MAX_JUDGED_BYTES = 1 << 20
PATTERN_SECONDS = 2.0
PATH_PART = re.compile(r"\.?([A-Za-z0-9_-]+)|\[(\d{1,6})\]")
SHOWN_CHARACTERS = 60
FOUND, NOT_FOUND = 0, 1
PROGRAM = """
import json, re, sys
pattern = json.loads(sys.stdin.buffer.readline())
text = sys.stdin.buffer.read().decode("utf-8", "replace")
sys.exit(0 if re.search(pattern, text) else 1)
"""
"""The pattern comes by standard input: arguments of a program cannot hold every character."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a body must say beside the text it must contain; empty wishes hold always."""

    pattern: str = ""
    json_path: str = ""
    json_value: str = ""

    @property
    def is_any(self) -> bool:
        """Whether something is wished for, so that the body must be kept."""
        return bool(self.pattern or self.json_path)


def read_wish(parameters: Mapping[str, Any]) -> Wish:
    """The wish of a test. Raises: ProbeFailed naming the field that cannot be understood."""
    for name in ("body_contains", "body_matches", "json_value"):
        if not is_text(parameters.get(name, "")):
            raise ProbeFailed(f"{name}: half a surrogate pair (U+D800 to U+DFFF) is no character")
    wish = Wish(
        pattern=parameters["body_matches"],
        json_path=parameters["json_path"],
        json_value=parameters["json_value"],
    )
    try:
        re.compile(wish.pattern)
    except re.error as error:
        raise ProbeFailed(f"body_matches: no regular expression ({error})") from error
    parse_path(wish.json_path)
    return wish


def is_text(value: str) -> bool:
    """Whether the value can be written as UTF-8, as any body is."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def parse_path(text: str) -> list[str | int]:
    """The steps of a path such as `checks[0].state`. Raises: ProbeFailed."""
    steps: list[str | int] = []
    place = 0
    while place < len(text):
        part = PATH_PART.match(text, place)
        if part is None:
            raise ProbeFailed("json_path: names with dots between, and [number] for places")
        steps.append(part[1] if part[1] is not None else int(part[2]))
        place = part.end()
    return steps


async def find_mismatch(content: bytes, wish: Wish, *, is_whole: bool) -> str:
    """Why the body is not as wished; empty when it is.

    A regular expression can take for ever, so it is searched in a process of its own that is ended
    after two seconds.
    """
    if not is_whole or len(content) > MAX_JUDGED_BYTES:
        return f"the body is longer than the {MAX_JUDGED_BYTES} bytes that are judged"
    if wish.json_path:
        mismatch = find_json_mismatch(content, wish)
        if mismatch:
            return mismatch
    if wish.pattern:
        return await _search(content, wish.pattern)
    return ""


def find_json_mismatch(content: bytes, wish: Wish) -> str:
    """Why the value at the path is not the wished one; empty when it is, or when any will do."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return "the body is no JSON"
    for step in parse_path(wish.json_path):
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            return f"the body has no {wish.json_path}"
    text = found if isinstance(found, str) else json.dumps(found)
    if wish.json_value and text != wish.json_value:
        return f"{wish.json_path} is {show(text[:SHOWN_CHARACTERS])}"
    return ""


def show(text: str) -> str:
    """The text with what cannot be shown or stored written as escapes."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


async def _search(content: bytes, pattern: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-S",
        "-c",
        PROGRAM,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(PATTERN_SECONDS):
            await process.communicate(json.dumps(pattern).encode() + b"\n" + content)
    except TimeoutError:
        return f"the pattern was not judged within {PATTERN_SECONDS:g} s"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    verdicts = {FOUND: "", NOT_FOUND: "the pattern is not in the body"}
    return verdicts.get(process.returncode or 0, "the pattern could not be judged")
