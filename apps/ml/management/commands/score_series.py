import csv
import math
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError

from apps.core.errors import Invalid
from apps.ml.algorithms.series import SeriesDetector, Verdict
from apps.ml.algorithms.series.sensitivity import NORMAL, THRESHOLDS
from apps.ml.algorithms.series.tables import TableRow, read_table

COLUMNS = ("timestamp", "value", "score", "is_anomaly")
HELP = (
    "Judge a series of a CSV file (columns timestamp, value): a score for every row. Values are "
    "judged one at a time in the order of their times, each by those before it; rows are written "
    "in the order of the file. A score of 1 is as unusual as ever, the first 200 values get no "
    "more than that; a missing value has no score."
)


class Command(BaseCommand):
    help = HELP

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--output", type=Path, help="write here and not to standard output")
        parser.add_argument(
            "--sensitivity", choices=list(THRESHOLDS), default=NORMAL, help="default: normal"
        )
        parser.add_argument(
            "--interval",
            type=float,
            default=0.0,
            help="seconds between values; else it is learnt from the times",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        rows = read_file(options["file"])
        verdicts = judge(rows, options["interval"])
        threshold = THRESHOLDS[options["sensitivity"]]
        if options["output"] is None:
            write_rows(self.stdout, rows, verdicts, threshold)
            return
        try:
            with options["output"].open("w", newline="", encoding="utf-8") as file:
                write_rows(file, rows, verdicts, threshold)
        except OSError as error:
            raise CommandError(f"--output: {error.strerror}: {options['output']}") from None
        anomalies = sum(verdict.score >= threshold for verdict in verdicts)
        self.stdout.write(f"{len(rows)} values, {anomalies} anomalies")


def read_file(path: Path) -> list[TableRow]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return read_table(file)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandError(f"{path}: is not UTF-8 text") from None
    except Invalid as error:
        raise CommandError(f"{path}: {error.detail}") from None


def judge(rows: Sequence[TableRow], interval_seconds: float) -> list[Verdict]:
    """The verdict of each row; those of the same time are judged in the order of the file."""
    if not 0 <= interval_seconds < math.inf:
        raise CommandError("--interval: must be a number of seconds, 0 or more")
    order = sorted(range(len(rows)), key=lambda number: rows[number].at)
    detector = SeriesDetector(interval_seconds)
    found = detector.observe_all((rows[number].at, rows[number].value) for number in order)
    verdicts: dict[int, Verdict] = dict(zip(order, found, strict=True))
    return [verdicts[number] for number in range(len(rows))]


def write_rows(
    file: TextIO | Any, rows: Sequence[TableRow], verdicts: Sequence[Verdict], threshold: float
) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row, verdict in zip(rows, verdicts, strict=True):
        score = "" if math.isnan(verdict.score) else f"{verdict.score:.9g}"
        is_anomaly = int(verdict.score >= threshold)
        writer.writerow((row.time_text, row.value_text, score, is_anomaly))
