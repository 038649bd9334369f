import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.core.management.color import color_style

from apps.operations.doctor import Finding, Verdict, examine

MARKS = {
    Verdict.OK: "ok  ",
    Verdict.WARNING: "warn",
    Verdict.FAILED: "FAIL",
    Verdict.SKIPPED: "skip",
}


class Command(BaseCommand):
    help = (
        "Look at everything the server needs and say what to do about what is wrong. "
        "Exit code 0: all well; 1: something failed (with --strict: or is worth a warning)."
    )
    # A database that is away, or behind its migrations, is a finding and not a reason to stop.
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object")
        parser.add_argument("--strict", action="store_true", help="warnings count as failures")

    def handle(self, *_args: Any, **options: Any) -> None:
        findings = []
        for finding in examine():
            findings.append(finding)
            if not options["json"]:
                self.show(finding)
        worst = {finding.verdict for finding in findings}
        is_well = Verdict.FAILED not in worst
        if options["strict"]:
            is_well = is_well and Verdict.WARNING not in worst
        if options["json"]:
            document = {"is_well": is_well, "findings": [asdict(one) for one in findings]}
            self.stdout.write(json.dumps(document, indent=1))
        if not is_well:
            sys.exit(1)

    def show(self, finding: Finding) -> None:
        styles = {
            Verdict.OK: color_style().SUCCESS,
            Verdict.WARNING: color_style().WARNING,
            Verdict.FAILED: color_style().ERROR,
            Verdict.SKIPPED: color_style().NOTICE,
        }
        mark = styles[finding.verdict](MARKS[finding.verdict])
        self.stdout.write(f"{mark}  {finding.subject:<16} {finding.detail}")
        if finding.hint:
            self.stdout.write(f"{'':24}{finding.hint}")
