from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.operations.backup import restore_backup
from apps.operations.errors import BackupError


class Command(BaseCommand):
    help = "Replace the database by a backup's, and bring it up to this version. Stop all first."
    # The present database may be the reason for restoring another.
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="a file that `manage.py backup` wrote")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            manifest = restore_backup(options["file"].absolute())
        except BackupError as error:
            raise CommandError(str(error)) from error
        call_command("migrate", verbosity=0)
        self.stdout.write(
            f"restored the state of {manifest.created_at} (server {manifest.server_version})"
        )
