"""The formats of exports: what they write, and that what is cut off never looks whole."""

import csv
import json
import math
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.reports.algorithms import formats
from apps.reports.algorithms.cells import BREAK, OVERLOOKED, SIGNS, TRIGGERS, guard_text
from apps.reports.algorithms.formats import FORMATS, Style, find_format
from apps.reports.algorithms.tables import Chunk, Column, ColumnKind

COLUMNS = (
    Column("id", ColumnKind.WORD),
    Column("name", ColumnKind.TEXT),
    Column("at", ColumnKind.MOMENT),
    Column("value", ColumnKind.NUMBER),
    Column("count", ColumnKind.WHOLE),
    Column("is_on", ColumnKind.FLAG),
    Column("more", ColumnKind.DOCUMENT),
)
AT = "2026-01-05T00:00:00.000001Z"
ROWS = [
    ("a", "=1+1", AT, -0.5, 2**53, True, '{"k": "=1+1"}'),
    ("b", None, None, math.nan, None, None, None),
    ("c", 'Ünï "x"\n', AT, 1e-9, 0, False, "[]"),
]
HOSTILE = [
    "=1+1",
    "+1",
    "-1",
    "@x",
    "\tx",
    "\rx",
    "\nx",
    "\uff1d1",
    "\uff0b1",
    "\uff0d1",
    "\uff20x",
]


def make_chunk(rows):
    return Chunk(list(zip(*rows, strict=True)), len(rows), ())


def write(name, *chunks, style=None):
    writer = FORMATS[name].make(COLUMNS, style or Style())
    content = writer.begin() + b"".join(writer.write(make_chunk(rows)) for rows in chunks)
    return content, writer


def write_whole(name, *chunks):
    content, writer = write(name, *chunks)
    return content + writer.end(sum(map(len, chunks)))


def read_csv(content):
    return list(csv.reader(StringIO(content.decode(), newline="")))


def test_csv_guards_text_and_leaves_numbers_alone():
    header, first, second, third, end = read_csv(write_whole("csv", ROWS[:2], ROWS[2:]))
    assert header == [column.name for column in COLUMNS]
    assert first == ["a", "'=1+1", AT, "-0.5", str(2**53), "true", '{"k": "=1+1"}']
    assert second == ["b", "", "", "", "", "", ""]
    assert third == ["c", 'Ünï "x"\n', AT, "1e-09", "0", "false", "[]"]
    assert end == ["# complete: 3 rows"]


TEXTS = st.none() | st.text(st.sampled_from('ab",;\r\n\t =é'), max_size=6)
DOCUMENTS = st.none() | st.dictionaries(st.text(max_size=3), TEXTS, max_size=2).map(json.dumps)
CSV_ROWS = st.tuples(
    TEXTS,
    TEXTS,
    TEXTS,
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.integers(),
    st.sampled_from([None, True, False]),
    DOCUMENTS,
)


@given(st.lists(CSV_ROWS, max_size=4))
def test_csv_is_read_by_the_csv_module_as_it_was_meant(rows):
    writer = FORMATS["csv"].make(COLUMNS, Style())
    columns = list(zip(*rows, strict=True)) if rows else [[]] * len(COLUMNS)
    found = read_csv(writer.write(Chunk(columns, len(rows), ())))
    for told, (word, text, moment, number, whole, flag, document) in zip(found, rows, strict=True):
        assert told[:3] == [word or "", guard_text(text or ""), moment or ""]
        assert told[3:5] == ["" if one is None else str(one) for one in (number, whole)]
        assert told[5] == {None: "", True: "true", False: "false"}[flag]
        assert json.loads(told[6] or "null") == json.loads(document or "null")


BREAKING = st.text(st.sampled_from("ax=+@;\t\r\n \",\uff1d'-"), max_size=12)


@given(BREAKING, BREAKING)
def test_no_spreadsheet_finds_a_formula_wherever_it_ends_its_cells(text, inner):
    columns = [Column("id", ColumnKind.WORD), Column("name", ColumnKind.TEXT)]
    columns.append(Column("more", ColumnKind.DOCUMENT))
    writer = FORMATS["csv"].make(columns, Style())
    document = json.dumps({"k": inner}, ensure_ascii=False)
    content = writer.write(make_chunk([("a", text, document)])).decode()
    for delimiter in ",;\t":
        for row in csv.reader(StringIO(content, newline=""), delimiter=delimiter):
            for cell in row:
                assert not cell.lstrip(OVERLOOKED).startswith(SIGNS), (delimiter, content)


def test_a_formula_behind_a_semicolon_is_guarded():
    rows = [("a", "x;=WEBSERVICE(A1);y", AT, 1.0, 1, True, '{"k": "x;=1+1"}')]
    line = write_whole("csv", rows).decode().splitlines()[1]
    assert '"x;\'=WEBSERVICE(A1);y"' in line
    [_header, row, _end] = read_csv(write_whole("csv", rows))
    assert json.loads(row[6]) == {"k": "x;=1+1"}


def test_a_csv_file_without_its_end_line_can_be_asked_for():
    content, writer = write("csv", ROWS, style=Style(has_end_line=False))
    assert writer.end(3) == b""
    assert len(read_csv(content)) == 4


def test_lines_of_json_hold_objects_and_an_end():
    *rows, end = map(json.loads, write_whole("ndjson", ROWS[:1], ROWS[1:]).splitlines())
    assert end == {"_end": {"rows": 3, "is_complete": True}}
    assert rows[0]["name"] == "=1+1"
    assert rows[0]["more"] == {"k": "=1+1"}
    assert rows[1] == {"id": "b", **dict.fromkeys([column.name for column in COLUMNS[1:]])}
    assert rows[2]["value"] == 1e-9


@pytest.mark.parametrize("chunks", [[ROWS], [ROWS[:1], ROWS[1:]], []])
def test_a_json_document_counts_its_rows(chunks):
    document = json.loads(write_whole("json", *chunks))
    assert document["is_complete"] is True
    assert document["count"] == len(document["rows"]) == sum(map(len, chunks))


@given(cut=st.integers(min_value=1, max_value=300))
def test_a_json_document_that_is_cut_off_is_none(cut):
    content = write_whole("json", ROWS)
    with pytest.raises(ValueError, match=r".*"):
        json.loads(content[: max(0, len(content) - 1 - cut)])


def test_what_ends_early_says_so():
    for name in ("csv", "ndjson", "json"):
        content, writer = write(name, ROWS)
        told = (content + writer.fail(3, "DatabaseError")).decode()
        assert "DatabaseError" in told
        assert "complete: 3" not in told
    assert json.loads(told_end("ndjson"))["_end"]["is_complete"] is False
    assert told_end("csv").startswith(b"# INCOMPLETE after 3 rows")
    content, writer = write("json", ROWS)
    with pytest.raises(ValueError, match=r".*"):
        json.loads(content + writer.fail(3, "x"))


def told_end(name):
    _content, writer = write(name, ROWS)
    return writer.fail(3, "DatabaseError").splitlines()[-1]


@pytest.mark.parametrize("name", ["csv", "ndjson", "json"])
def test_a_writer_goes_on_where_another_ended(name):
    first = FORMATS[name].make(COLUMNS, Style())
    second = FORMATS[name].make(COLUMNS, Style(is_continued=True))
    content = first.begin() + first.write(make_chunk(ROWS[:1]))
    content += second.write(make_chunk(ROWS[1:])) + second.end(3)
    assert content == write_whole(name, ROWS)


@pytest.mark.parametrize("text", HOSTILE)
def test_text_that_a_spreadsheet_would_execute_is_guarded(text):
    assert guard_text(text) == f"'{text}"
    assert guard_text(f" \ufeff{text}") == f"' \ufeff{text}"
    assert guard_text(f"a;{text}") == (f"a;{text}" if text[0] in "\t\r\n" else f"a;'{text}")


@given(st.text())
def test_no_cell_of_text_begins_with_a_formula(text):
    guarded = guard_text(text)
    assert not guarded.lstrip(OVERLOOKED).startswith(TRIGGERS)
    assert not BREAK.search(guarded)
    assert guarded.replace("'", "") == text.replace("'", "")


def test_a_format_that_there_is_not_is_refused():
    with pytest.raises(Invalid, match="csv, json, ndjson, parquet"):
        find_format("xml")


def test_parquet_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(formats, "find_spec", lambda _name: None)
    with pytest.raises(Invalid, match=r"pip install -r requirements/parquet\.txt"):
        find_format("parquet")


def test_parquet_is_not_compressed_twice(monkeypatch):
    monkeypatch.setattr(formats, "find_spec", lambda _name: object())
    with pytest.raises(Invalid, match="compressed as it is"):
        find_format("parquet", is_gzip=True)


def test_parquet_holds_the_same_in_types_of_its_own():
    parquet = pytest.importorskip("pyarrow.parquet")
    arrow = pytest.importorskip("pyarrow")
    content = write_whole("parquet", ROWS[:1], ROWS[1:])
    table = parquet.read_table(arrow.BufferReader(content))
    rows = table.to_pylist()
    assert [row["id"] for row in rows] == ["a", "b", "c"]
    assert rows[0]["name"] == "=1+1"
    assert rows[0]["at"].isoformat() == "2026-01-05T00:00:00.000001+00:00"
    assert rows[1]["value"] is None
    assert (rows[0]["count"], rows[0]["is_on"]) == (2**53, True)
    with pytest.raises(arrow.ArrowInvalid):
        parquet.read_table(arrow.BufferReader(content[:-1]))
