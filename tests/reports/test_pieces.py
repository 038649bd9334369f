"""The pieces of an export: wherever turns end, the joined file is the one written at once."""

import gzip
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.reports.algorithms.formats import FORMATS
from apps.reports.algorithms.tables import Chunk, Column, ColumnKind
from apps.reports.datasets import DATASETS
from apps.reports.services.exports.orders import Order
from apps.reports.services.exports.pieces import Pieces

COLUMNS = (Column("id", ColumnKind.WORD), Column("name", ColumnKind.TEXT))
RESUMABLE = [one.name for one in FORMATS.values() if one.is_resumable]


class Steps:
    """Steps of so many rows each; a filter may leave none of a step's."""

    def __init__(self, counts):
        self.counts = counts

    def read(self, behind=None):
        first = 0 if behind is None else behind[0] + 1
        for place, count in list(enumerate(self.counts))[first:]:
            cells = [f"{place}, {number}" for number in range(count)]
            yield Chunk([cells for _column in COLUMNS], count, (place,))


def make_order(format_name, *, is_gzip):
    dataset = replace(DATASETS["samples"], columns=COLUMNS)
    return Order(dataset, FORMATS[format_name], {}, is_gzip=is_gzip)


def write_in_turns(counts, order, turns):
    """The bytes of turns of so many pieces each, and of a last one that writes what is left."""
    content, position, rows = b"", None, 0
    for length in turns:
        pieces = Pieces(Steps(counts), order, behind=position, rows=rows)
        for number, piece in enumerate(pieces.write(), 1):
            content += piece
            # A turn ends nowhere but behind a step.
            if number >= length and pieces.position is not None:
                break
        content += pieces.interrupt()
        position, rows = pieces.position, pieces.row_count
    pieces = Pieces(Steps(counts), order, behind=position, rows=rows)
    return content + b"".join(pieces.write()) + pieces.end()


@pytest.mark.parametrize("is_gzip", [False, True])
@pytest.mark.parametrize("format_name", RESUMABLE)
@given(
    counts=st.lists(st.integers(0, 3), min_size=1, max_size=8),
    turns=st.lists(st.integers(1, 3), max_size=6),
)
def test_a_file_is_the_same_wherever_its_turns_end(format_name, is_gzip, counts, turns):
    order = make_order(format_name, is_gzip=is_gzip)
    whole, joined = write_in_turns(counts, order, []), write_in_turns(counts, order, turns)
    if is_gzip:
        whole, joined = gzip.decompress(whole), gzip.decompress(joined)
    assert joined == whole
