import pytest
from django.db import connection

from apps.reports.datasets import find_dataset
from apps.reports.selectors.mapping import map_at_most, read_most_mapped, read_unmapped
from tests.factories.accounts import make_user
from tests.factories.clients import make_client

MAPPED_BYTES = 1_048_576


@pytest.fixture
def mapped(db):
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite maps its file into the process")
    before_bytes = read_most_mapped()
    map_at_most(MAPPED_BYTES)
    yield
    map_at_most(before_bytes)


def test_nothing_is_mapped_while_much_is_read_and_as_much_as_before_afterwards(mapped):
    with read_unmapped():
        assert read_most_mapped() == 0
        with read_unmapped():
            assert read_most_mapped() == 0
        assert read_most_mapped() == 0
    assert read_most_mapped() == MAPPED_BYTES


def test_what_breaks_off_maps_again_as_before(mapped):
    with pytest.raises(ValueError, match="broken"), read_unmapped():
        raise ValueError("broken")
    assert read_most_mapped() == MAPPED_BYTES


def test_an_export_reads_and_counts_its_rows_unmapped_and_gives_the_map_back_between(mapped):
    make_client()
    selection = find_dataset("clients").select(make_user("boss", "admin"), {})
    seen = []

    def note_map(execute, statement, parameters, many, context):
        if 'FROM "clients_client"' in statement:
            seen.append(read_most_mapped())
        return execute(statement, parameters, many, context)

    with connection.execute_wrapper(note_map):
        assert selection.count_units() == 1
        chunks = selection.read()
        assert next(chunks).row_count == 1
        assert read_most_mapped() == MAPPED_BYTES
    assert seen == [0, 0]


def test_on_postgresql_nothing_is_asked_of_the_database(db, django_assert_num_queries):
    with django_assert_num_queries(0) as asked, read_unmapped():
        assert connection.connection is not None
    assert not asked.captured_queries
