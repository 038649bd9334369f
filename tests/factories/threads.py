"""Many doing the same at once, each with a database session of its own."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connections

START_SECONDS = 30


def run_together(count, work):
    """What `work(number)` returned in each of `count` threads that started at the same moment."""
    barrier = Barrier(count)

    def run(number):
        barrier.wait(START_SECONDS)
        try:
            return work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
