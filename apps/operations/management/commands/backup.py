from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.operations.backup import make_backup
from apps.operations.errors import BackupError


class Command(BaseCommand):
    help = "Write the whole database to a new file, with its checksum, while the server works."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the new file; whoever has it has everything")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            manifest = make_backup(options["file"].absolute())
        except BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{options['file']}: {manifest.size_bytes} bytes of {manifest.engine}, "
            f"{manifest.created_at}, sha256 {manifest.sha256}; files of {manifest.models} models"
        )
        if manifest.models_left_out:
            self.stdout.write(
                f"{manifest.models_left_out} models in use are not in it (damaged or too many):"
                " after a restore rules decide in their place until they are learned anew"
            )
