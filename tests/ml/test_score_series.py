"""`manage.py score_series`: any table of a series in, a score for every row out."""

import csv
import io
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from apps.ml.algorithms.series.tables import read_table

START = datetime(2026, 1, 1, tzinfo=UTC)


def make_values(length=400):
    values = np.random.default_rng(3).uniform(20, 80, size=length).round(3)
    values[300] = 160
    return values.tolist()


def write_table(path, rows, *, header="timestamp,value", encoding="utf-8"):
    path.write_text("\n".join([header, *rows]) + "\n", encoding=encoding)
    return path


def score(path, **options):
    output = io.StringIO()
    call_command("score_series", path, stdout=output, **options)
    return list(csv.DictReader(io.StringIO(output.getvalue())))


@pytest.fixture
def table(tmp_path):
    times = [(START + timedelta(minutes=5 * n)).isoformat() for n in range(400)]
    pairs = zip(times, make_values(), strict=True)
    return write_table(tmp_path / "series.csv", [f"{time},{value}" for time, value in pairs])


def test_every_row_gets_a_score_and_the_odd_one_is_an_anomaly(table):
    rows = score(table)
    assert len(rows) == 400
    assert [n for n, row in enumerate(rows) if row["is_anomaly"] == "1"] == [300]
    assert float(rows[300]["score"]) > 1.25
    assert rows[0]["timestamp"] == START.isoformat()


def test_the_output_may_be_a_file(table, tmp_path, capsys):
    target = tmp_path / "scores.csv"
    call_command("score_series", table, "--output", target)
    assert capsys.readouterr().out == "400 values, 1 anomalies\n"
    assert list(csv.DictReader(target.open())) == score(table)


@pytest.mark.parametrize(
    "write_time",
    [
        lambda at: at.isoformat().replace("+00:00", "Z"),
        lambda at: at.strftime("%Y-%m-%d %H:%M:%S"),
        lambda at: at.strftime("%Y/%m/%d %H:%M"),
        lambda at: str(int(at.timestamp())),
        lambda at: str(int(at.timestamp() * 1e3)),
        lambda at: str(int(at.timestamp()) * 10**9),
        lambda at: f"{at.timestamp():.1f}",
    ],
)
def test_times_are_understood_in_the_usual_forms(write_time):
    (row,) = read_table(["timestamp,value", f"{write_time(START)},1"])
    assert row.at == START.timestamp()


def test_names_in_any_case_other_columns_and_a_byte_order_mark_do_no_harm(table, tmp_path):
    plain = table.read_text().splitlines()[1:]
    rows = [f"x;{value};{time};9" for time, value in (row.split(",") for row in plain)]
    other = write_table(
        tmp_path / "other.csv", rows, header="host; Value ;TimeStamp;label", encoding="utf-8-sig"
    )
    assert score(other) == score(table)


def test_rows_in_any_order_are_judged_by_their_times_and_written_as_they_stood(table, tmp_path):
    rows = table.read_text().splitlines()[1:]
    backwards = score(write_table(tmp_path / "backwards.csv", rows[::-1]))
    assert backwards[::-1] == score(table)


def test_doubled_times_and_missing_values_are_judged_like_the_rest(table, tmp_path):
    rows = table.read_text().splitlines()[1:]
    rows[10] = rows[9].partition(",")[0] + ",nan"
    rows[11] = rows[9].partition(",")[0] + ","
    rows[12] = rows[9]
    found = score(write_table(tmp_path / "doubled.csv", rows))
    assert [n for n, row in enumerate(found) if not row["score"]] == [10, 11]
    assert found[300]["is_anomaly"] == "1"


def test_a_lower_sensitivity_finds_less(table):
    assert [row["is_anomaly"] for row in score(table, sensitivity="lowest")].count("1") == 1
    scores = [float(row["score"]) for row in score(table)]
    assert sum(one >= 1.02 for one in scores) >= sum(one >= 1.25 for one in scores)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "timestamp: the header has no such column, but nothing"),
        ("a,b\n1,2\n", "timestamp: the header has no such column, but a, b"),
        ("timestamp,b\n1,2\n", "value: the header has no such column"),
        ("timestamp,value\n1,2\n2,x\n", "row 2, value: 'x' is no number"),
        ("timestamp,value\nsoon,2\n", "row 1, timestamp: 'soon' is neither ISO 8601 nor Unix"),
        ("timestamp,value\nnan,2\n", "row 1, timestamp: 'nan' is no time"),
        ("timestamp,value\n1,2\n5\n", "row 2, value: is missing"),
        (f"timestamp,value\n1,2\n2,{'9' * 200_000}\n", "row 2, row: field larger"),
    ],
)
def test_a_bad_table_is_refused_with_row_and_column(tmp_path, text, sentence):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(CommandError, match=sentence):
        score(path)


def test_what_is_no_text_or_no_file_is_refused(tmp_path):
    (tmp_path / "binary.csv").write_bytes(b"timestamp,value\n1,\xff\xfe\n")
    with pytest.raises(CommandError, match="UTF-8"):
        score(tmp_path / "binary.csv")
    with pytest.raises(CommandError, match="No such file"):
        score(tmp_path / "absent.csv")
    with pytest.raises(CommandError, match="Is a directory"):
        score(tmp_path)


def test_an_empty_table_and_a_single_row_are_no_trouble(tmp_path):
    assert score(write_table(tmp_path / "empty.csv", [])) == []
    (row,) = score(write_table(tmp_path / "one.csv", ["5,7"]))
    assert (row["score"], row["is_anomaly"]) == ("0", "0")
