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
FOUND, NOT_FOUND = 0, 1
PROGRAM = """
import re, sys
text = sys.stdin.buffer.read().decode("utf-8", "replace")
sys.exit(0 if re.search(sys.argv[1], text) else 1)
"""


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
        return f"{wish.json_path} is {text[:60]}"
    return ""


async def _search(content: bytes, pattern: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-S",
        "-c",
        PROGRAM,
        pattern,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(PATTERN_SECONDS):
            await process.communicate(content)
    except TimeoutError:
        return f"the pattern was not judged within {PATTERN_SECONDS:g} s"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    verdicts = {FOUND: "", NOT_FOUND: "the pattern is not in the body"}
    return verdicts.get(process.returncode or 0, "the pattern could not be judged")
