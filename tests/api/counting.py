"""How many queries something takes."""

from django.db import connection
from django.test.utils import CaptureQueriesContext


def count_queries(work):
    with CaptureQueriesContext(connection) as queries:
        answer = work()
    assert answer.status_code == 200, answer.content
    return len(queries)
