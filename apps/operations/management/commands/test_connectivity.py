import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.operations.doctor import Finding, Verdict, examine
from apps.operations.reach import CHECKS, reach_target


class Command(BaseCommand):
    help = (
        "Try what this server talks to: the database, Redis, the mail server (without sending), "
        "the agents' last contact, and every --target. Exit code 0: nothing failed; 1: something "
        "did."
    )
    # A database that is away is a finding and not a reason to stop.
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--target",
            action="append",
            default=[],
            help="host:port for a TCP connection, host for one ping; may be given several times",
        )
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        findings = list(examine(CHECKS))
        findings += [reach_target(target) for target in options["target"]]
        is_well = all(finding.verdict is not Verdict.FAILED for finding in findings)
        if options["json"]:
            document = {"is_well": is_well, "findings": [asdict(one) for one in findings]}
            self.stdout.write(json.dumps(document, indent=1))
        else:
            for finding in findings:
                self.stdout.write(write_line(finding))
        if not is_well:
            sys.exit(1)


def write_line(finding: Finding) -> str:
    line = f"{finding.verdict.value:<8} {finding.subject:<16} {finding.detail}"
    return f"{line}  ({finding.hint})" if finding.hint else line
