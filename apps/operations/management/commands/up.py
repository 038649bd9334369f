import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.operations.embedded import Embedded
from apps.operations.preparation import DjangoPreparation
from apps.operations.supervisor.errors import SupervisorError
from apps.operations.supervisor.log import LOG_NAME, LogFile, open_log
from apps.operations.supervisor.programs import Site, build_environment
from apps.tests.services.starter import Devices

PRIVATE_UMASK = 0o077


def describe_site() -> Site:
    environment = settings.ENVIRONMENT
    host, port = environment.text("SWARM_HOST"), int(environment.number("SWARM_PORT"))
    return Site(
        root=settings.BASE_DIR,
        var_dir=settings.VAR_DIR,
        host=host,
        port=port,
        is_sqlite=settings.IS_SQLITE,
        environment=build_environment(os.environ, var_dir=settings.VAR_DIR, host=host, port=port),
        redis_url=environment.text("REDIS_URL"),
    )


def describe_log(path: Path | None) -> LogFile:
    environment = settings.ENVIRONMENT
    return LogFile(
        path=path or settings.VAR_DIR / "log" / LOG_NAME,
        max_megabytes=int(environment.number("SWARM_LOG_MAX_MEGABYTES")),
        keep=int(environment.number("SWARM_LOG_KEEP")),
    )


def describe_devices() -> Devices:
    return Devices(
        addresses=settings.ENVIRONMENT.pairs("SWARM_MONITORED_DEVICES"),
        every_seconds=settings.ENVIRONMENT.number("SWARM_DEVICE_PING_INTERVAL"),
    )


class Command(BaseCommand):
    help = "Starts everything on this machine and keeps it running until Ctrl-C."
    requires_system_checks: tuple[str, ...] = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        # The database, the keys, the log and the sockets are nobody else's to read.
        os.umask(PRIVATE_UMASK)
        site = describe_site()
        environment = settings.ENVIRONMENT
        report = open_log(describe_log(environment.log_file), sys.stdout)
        preparation = DjangoPreparation(
            site,
            admin_password=environment.text("SWARM_ADMIN_PASSWORD"),
            report=report,
            devices=describe_devices(),
        )
        embedded = Embedded(
            site,
            preparation,
            has_own_redis=not environment.text("REDIS_URL"),
            report=report,
            announce=self._announce,
        )
        try:
            embedded.run()
        except SupervisorError as error:
            raise CommandError(str(error)) from error

    def _announce(self, lines: Sequence[str]) -> None:
        # Straight to the screen: a setup code must not stay in the log file.
        width = max(map(len, lines))
        frame = "-" * width
        self.stdout.write("\n".join(["", frame, *lines, frame, ""]))
        self.stdout.flush()
