import asyncio
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from redis import RedisError

from apps.operations.liveness import BEAT_NAME, WORKER_NAME, read_mark_age_seconds
from apps.operations.management.commands.up import describe_site
from apps.operations.queue_server import open_redis
from apps.operations.supervisor.gates import answers_http
from apps.operations.supervisor.programs import BEAT_PATIENCE_SECONDS, WORKER_PATIENCE_SECONDS

PATIENCE_SECONDS = {WORKER_NAME: WORKER_PATIENCE_SECONDS, BEAT_NAME: BEAT_PATIENCE_SECONDS}
WEB_NAME = "web"


class Command(BaseCommand):
    help = (
        "Say whether a program of this machine does its work: for the health checks of service "
        "managers and containers, which restart what does not. Exit code 0: it does, or it cannot "
        "be told because Redis is away; 1: it hangs."
    )
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("program", choices=[WORKER_NAME, BEAT_NAME, WEB_NAME])
        parser.add_argument(
            "--name", help="what stands before the @ in a worker's --hostname, if not `worker`"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        program = options["program"]
        if program == WEB_NAME:
            is_well, words = probe_web()
        else:
            is_well, words = probe_mark(program, options["name"] or program)
        self.stdout.write(f"{options['name'] or program}: {words}")
        if not is_well:
            sys.exit(1)


def probe_web() -> tuple[bool, str]:
    site = describe_site()
    gate = answers_http(site.local_host, site.port, "/healthz")

    async def ask() -> bool:
        return await gate()

    is_well = asyncio.run(ask())
    return is_well, f"{site.address} {'answers' if is_well else 'does not answer'}"


def probe_mark(program: str, name: str) -> tuple[bool, str]:
    age_seconds = read_mark_age_seconds(settings.VAR_DIR, name)
    words = "no sign of it yet" if age_seconds is None else f"last sign {age_seconds:.0f} s ago"
    if age_seconds is not None and age_seconds <= PATIENCE_SECONDS[program]:
        return True, words
    client = open_redis()
    try:
        client.ping()
    except RedisError:
        return True, f"{words}; Redis does not answer, so it cannot be told"
    finally:
        client.close()
    return False, words
