from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core.clock import EPOCH, read_now
from apps.metrics.algorithms.tiers import STEPS_SECONDS
from apps.metrics.models import DirtyBucket
from apps.metrics.services import rebuild_rollups


class Command(BaseCommand):
    help = "How many buckets wait to be recomputed; with --rebuild, all are recomputed now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--rebuild",
            action="store_true",
            help="recompute every five minutes, hour and day of which frames are kept",
        )
        parser.add_argument(
            "--since", default="", help="only from this moment on (ISO 8601, UTC without a zone)"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        since = read_moment(options["since"]) if options["since"] else EPOCH
        if options["rebuild"]:
            count = rebuild_rollups(now=read_now(), since=since)
            self.stdout.write(f"{count} buckets recomputed")
        else:
            # A week waits for its end; its hours are rollups already.
            waiting = DirtyBucket.objects.filter(step__in=STEPS_SECONDS).count()
            self.stdout.write(f"{waiting} buckets wait to be recomputed")


def read_moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--since: {text!r} is not ISO 8601, such as 2026-01-31") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
