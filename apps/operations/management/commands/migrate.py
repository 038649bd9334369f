from typing import Any

from django.core.management.commands import migrate
from django.db import connections

from apps.operations.starters import take_turns


class Command(migrate.Command):
    """Django's, one at a time: whoever comes second finds nothing left to do."""

    def handle(self, *args: Any, **options: Any) -> None:
        with take_turns(connections[options["database"]]):
            super().handle(*args, **options)
