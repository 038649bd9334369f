"""Rows that the tests of a whole file share, because making them takes longer than a test."""

from contextlib import contextmanager
from unittest import mock

from django.db import connection, transaction
from django.test import override_settings


@contextmanager
def keep_rows(django_db_blocker):
    """What is written within is there until the end; what each test writes is undone after it.

    A test's own transaction is a savepoint of this one, so Django must not close the connection
    between two tests.
    """
    quick = override_settings(
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    )
    stays_open = mock.patch.object(connection, "close")
    with django_db_blocker.unblock(), stays_open, transaction.atomic(), quick:
        yield
        transaction.set_rollback(True)
