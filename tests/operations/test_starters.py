"""What prepares the database goes one by one, however many start at once."""

import threading

import pytest
from django.db import connection, connections

from apps.operations.starters import take_turns
from tests.servers.waiting import wait_until

WAIT_SECONDS = 30


@pytest.mark.django_db(transaction=True)
def test_the_second_starter_waits_until_the_first_is_done():
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one machine, whose folder is locked")
    done = []

    def start_second():
        with take_turns(connection):
            done.append("second")
        connections.close_all()

    with take_turns(connection):
        second = threading.Thread(target=start_second)
        second.start()
        wait_until(is_somebody_waiting, seconds=WAIT_SECONDS, what="the second starter's wait")
        done.append("first")
    second.join(WAIT_SECONDS)
    assert done == ["first", "second"]


def is_somebody_waiting():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return cursor.fetchone()[0] == 1


@pytest.mark.django_db(transaction=True)
def test_a_starter_that_fails_lets_the_next_one_in():
    with pytest.raises(ValueError, match="broken"), take_turns(connection):
        raise ValueError("broken")
    with take_turns(connection):
        assert connection.is_usable()
