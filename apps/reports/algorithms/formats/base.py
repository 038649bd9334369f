from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from apps.reports.algorithms.tables import Chunk, Column


@dataclass(frozen=True, slots=True)
class Style:
    """Whether a last line says that the file is whole; whether others wrote the rows before."""

    has_end_line: bool = True
    is_continued: bool = False


class Writer(Protocol):
    """Turns the chunks of one table into the bytes of a file, a piece at a time.

    What `begin`, `write` and `end` give, in this order, is the file. Without what `end` gives it
    is recognisably cut off. `fail` says where and why it ends early, where the format can.
    """

    def begin(self) -> bytes: ...

    def write(self, chunk: Chunk, /) -> bytes: ...

    def end(self, row_count: int, /) -> bytes: ...

    def fail(self, row_count: int, reason: str, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Format:
    """A file format; `requires` names the module that it needs besides the server's own.

    A file of one that is resumable may be written by several writers, one after the other.
    """

    name: str
    title: str
    content_type: str
    make: Callable[[Sequence[Column], Style], Writer]
    may_gzip: bool = True
    is_resumable: bool = True
    requires: str = ""
