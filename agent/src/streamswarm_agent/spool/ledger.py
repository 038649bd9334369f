"""A ground-truth list of everything measured, to prove that nothing was lost or doubled."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from streamswarm_agent.errors import StateUnusable
from streamswarm_agent.wire.records import Record


class Ledger:
    """An append-only file, on disk when `append` returns.

    One line each: `frame SOURCE_KIND SUBJECT SEQ AT` or `result RUN_ID`; a subject is
    percent-encoded (`/` and `:` stay) and `-` when empty.
    """

    def __init__(self, path: Path) -> None:
        """Raises: StateUnusable when the file cannot be opened."""
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            self._lines = set(path.read_text(encoding="utf-8").splitlines())
        except OSError as error:
            raise StateUnusable(f"ledger {path}: {error.strerror}") from error

    def append(self, records: Iterable[Record]) -> None:
        """Write down the frames and results among the records that are not listed yet."""
        named = [line for record in records if (line := describe_measurement(record)) is not None]
        added = [line for line in named if line not in self._lines]
        if not added:
            return
        os.write(self._descriptor, "".join(f"{line}\n" for line in added).encode())
        os.fsync(self._descriptor)
        self._lines.update(added)

    def close(self) -> None:
        os.close(self._descriptor)


def describe_measurement(record: Record) -> str | None:
    """The ledger's line for a record, None for kinds that measure nothing.

    None as well for a payload that was damaged on disk: what it was, nobody can say any more.
    """
    if record.kind not in {"frame", "result"}:
        return None
    try:
        payload = json.loads(record.payload)
        if record.kind == "result":
            return f"result {payload['run']}"
        return f"frame {describe_frame(payload)} {record.at}"
    except (ValueError, RecursionError, KeyError, TypeError):
        return None


def describe_frame(payload: dict[str, object]) -> str:
    """`SOURCE_KIND SUBJECT SEQ` of a frame's data."""
    source = payload["source"]
    assert isinstance(source, dict)  # noqa: S101 - narrows our own document
    return f"{source['kind']} {quote(source['subject'], safe='/:') or '-'} {payload['seq']}"
