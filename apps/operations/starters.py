"""Several starters at once, on one machine or many: what prepares the database goes one by one."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db.backends.base.base import BaseDatabaseWrapper

STARTER_LOCK = 0x5357_4D47


@contextmanager
def take_turns(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Runs the block while no other process of this database is in one.

    The lock belongs to the database session, so it goes when this process does. SQLite has one
    machine, whose `manage.py up` holds the folder already.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [STARTER_LOCK])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [STARTER_LOCK])
