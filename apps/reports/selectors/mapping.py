"""Reading much of SQLite's file without its pages counting as memory of the process."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def read_unmapped() -> Iterator[None]:
    """Queries inside map nothing of SQLite's file; its pages come through SQLite's own cache.

    A scan of the whole file would map as much of it as the server may, for pages that are read
    once. Afterwards as much may be mapped as before. Does nothing on PostgreSQL.
    Source: https://www.sqlite.org/mmap.html
    """
    before_bytes = read_most_mapped() if connection.vendor == "sqlite" else 0
    if not before_bytes:
        yield
        return
    map_at_most(0)
    try:
        yield
    finally:
        map_at_most(before_bytes)


def read_most_mapped() -> int:
    """How many bytes of SQLite's file may be mapped; none of a database that is no file."""
    connection.ensure_connection()
    found = connection.connection.execute("PRAGMA mmap_size").fetchone()
    return int(found[0]) if found else 0


def map_at_most(size_bytes: int) -> None:
    connection.connection.execute(f"PRAGMA mmap_size={size_bytes:d}")
