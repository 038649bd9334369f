import sys
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError

from apps.accounts.actors import Actor, act_as
from apps.accounts.models import AuditEntry, User
from apps.accounts.selectors import list_administrators
from apps.core.errors import StreamSwarmError
from apps.reports.algorithms.formats import FORMATS
from apps.reports.datasets import DATASETS
from apps.reports.services.exports import Order, open_stream, read_order


class Command(BaseCommand):
    help = "Write rows to a file, as an administrator or another user sees them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("dataset", choices=list(DATASETS))
        parser.add_argument("--format", choices=list(FORMATS), default="csv", dest="file_format")
        parser.add_argument("--from", dest="after", default="", help="ISO 8601; UTC without a zone")
        parser.add_argument("--to", dest="before", default="", help="the first moment left out")
        parser.add_argument(
            "--filter", action="append", default=[], metavar="NAME=VALUE", dest="filters"
        )
        parser.add_argument("--gzip", action="store_true", help="compress the file")
        parser.add_argument("--output", type=Path, help="write here and not to standard output")
        parser.add_argument("--user", default="", help="whose view it is; else an administrator's")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            with act_as(Actor(label="command line", via=AuditEntry.Via.COMMAND)):
                count = write_export(find_user(options["user"]), build_order(options), options)
        except StreamSwarmError as error:
            raise CommandError(error.detail) from error
        except OSError as error:
            raise CommandError(f"--output: {error.strerror}: {options['output']}") from None
        self.stderr.write(f"{count:,} rows")


def find_user(username: str) -> User:
    rows = User.objects.filter(username=username) if username else list_administrators()
    user = rows.order_by("pk").first()
    if user is None:
        who = f"user {username!r}" if username else "administrator yet"
        raise CommandError(f"there is no {who}")
    return user


def build_order(options: Mapping[str, Any]) -> Order:
    filters: dict[str, list[str]] = defaultdict(list)
    for text in options["filters"]:
        name, separator, value = text.partition("=")
        if not separator:
            raise CommandError(f"--filter {text}: must be NAME=VALUE")
        filters[name].append(value)
    for name in ("after", "before"):
        if options[name]:
            filters[name] = [read_moment(options[name])]
    return read_order(
        dataset=options["dataset"],
        format_name=options["file_format"],
        filters=filters,
        is_gzip=options["gzip"],
    )


def read_moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{text}: must be a time such as 2026-01-31T12:00:00Z") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def write_export(user: User, order: Order, options: Mapping[str, Any]) -> int:
    """How many rows were written. A file gets its name once it is whole; of another nothing stays.

    What a kill leaves ends in `.part` and is written anew the next time.
    """
    path: Path | None = options["output"]
    if path is not None and path.is_dir():
        raise CommandError(f"--output: is a folder: {path}")
    stream = open_stream(user, order)
    if path is None:
        write_all(sys.stdout.buffer, stream)
        return stream.row_count
    unfinished = path.with_name(f"{path.name}.part")
    with unfinished.open("wb") as file:
        try:
            write_all(file, stream)
        except BaseException:
            # The keyboard breaks off as well.
            unfinished.unlink(missing_ok=True)
            raise
    unfinished.replace(path)
    return stream.row_count


def write_all(file: BinaryIO, pieces: Any) -> None:
    file.writelines(pieces)
    file.flush()
