import re
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.accounts.services import verify_audit
from apps.accounts.services.verification import Head, is_guarded

HEAD_PATTERN = re.compile(r"(\d+):([0-9a-f]{64})")


class Command(BaseCommand):
    help = "Check every seal of the audit; exit code 1 and the first bad entry when one is broken."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--head",
            metavar="COUNT:DIGEST",
            help="a head printed, logged or mailed earlier, which must still be part of the chain",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        walk = verify_audit(published=parse_head(options["head"]))
        if not is_guarded():
            self.stderr.write("The database's triggers that refuse changes are not in place.")
        if walk.fault is not None:
            self.stdout.write(f"BROKEN ({walk.fault.kind}): {walk.fault.detail}")
            self.stdout.write(f"Sound up to there: {walk.count} entries.")
            sys.exit(1)
        self.stdout.write(f"Sound: {walk.count} entries.")
        self.stdout.write(f"Head: {walk.count}:{walk.digest}")


def parse_head(text: str | None) -> Head | None:
    if text is None:
        return None
    match = HEAD_PATTERN.fullmatch(text.strip())
    if match is None:
        raise CommandError("--head: must be COUNT:DIGEST, the digest in 64 hexadecimal digits")
    return Head(int(match[1]), match[2])
