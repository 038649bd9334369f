"""A server of many processes: two of each kind, as on two hosts, behind nginx.

The hosts share PostgreSQL, Redis and the signing key, and nothing else.
"""

import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from apps.operations.supervisor.child import Child
from apps.operations.supervisor.programs import (
    Site,
    describe_beat,
    describe_door,
    describe_redis,
    describe_web,
    describe_worker,
)
from tests.servers.nginx import Nginx, run_nginx
from tests.servers.stack import Stack, build_site, find_free_port

HOSTS = (1, 2)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Children of the stack are called web-1, web-2, door-1 and so on; its address is nginx's."""

    stack: Stack
    nginx: Nginx
    ports: Mapping[str, int]

    @property
    def base_url(self) -> str:
        return self.nginx.base_url

    @property
    def environment(self) -> dict[str, str]:
        return self.stack.environment

    def issue_token(self, name: str = "test agent") -> str:
        return self.stack.issue_token(name)

    def find_address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def kill9(self, *names: str) -> None:
        for name in names:
            self.stack.kill9(name)


def describe_host(site: Site, host: int, ports: Mapping[str, int]) -> list[Child]:
    """The four programs of a host with a var folder of its own."""
    var_dir = site.var_dir / f"host-{host}"
    var_dir.mkdir()
    environment = {**site.environment, "SWARM_VAR_DIR": str(var_dir)}
    own = replace(site, var_dir=var_dir, environment=environment)
    worker = describe_worker(own)
    children = [
        describe_web(replace(own, port=ports[f"web-{host}"])),
        describe_door(replace(own, port=ports[f"door-{host}"])),
        replace(
            worker, argv=(*worker.argv, "--concurrency", "1", "--hostname", f"worker-{host}@fleet")
        ),
        describe_beat(own),
    ]
    return [replace(child, name=f"{child.name}-{host}") for child in children]


def prepare_twice(stack: Stack, *arguments: str) -> None:
    """Two starters run the same command at the same time, and both must succeed."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _number: stack.manage(*arguments), HOSTS))


def start_together(stack: Stack, children: Sequence[Child]) -> None:
    """Starts all of them before it waits for any; returns when all are ready."""
    for child in children:
        stack.start(replace(child, is_ready=None))
    for child in children:
        stack.children[child.name].child = child
        stack.children[child.name].wait_ready()


@contextmanager
def run_fleet(postgresql, settings: Mapping[str, str]) -> Iterator[Fleet]:
    """Everything is started at once; the database is prepared by two starters before."""
    folder = Path(tempfile.mkdtemp(prefix="swarm-"))
    with ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        (folder / "log").mkdir()
        database_url = postgresql.create_database()
        shared = {
            **settings,
            "SWARM_SECRET_KEY": secrets.token_urlsafe(48),
            "SWARM_TRUSTED_PROXIES": "127.0.0.1/32",
            "REDIS_URL": f"unix://{folder}/redis/redis.sock",
        }
        stack = Stack(build_site(database_url, folder, shared), database_url)
        cleanup.callback(lambda: [child.stop(signal.SIGKILL) for child in stack.children.values()])
        stack.start(describe_redis(stack.site))
        prepare_twice(stack, "migrate", "--verbosity=0")
        prepare_twice(stack, "sync_schedules")
        names = [f"{kind}-{host}" for kind in ("web", "door") for host in HOSTS]
        ports = {name: find_free_port() for name in names}
        children = [child for host in HOSTS for child in describe_host(stack.site, host, ports)]
        start_together(stack, children)
        upstreams = {
            f"streamswarm_{kind}": [ports[f"{kind}-{host}"] for host in HOSTS]
            for kind in ("web", "door")
        }
        nginx = cleanup.enter_context(run_nginx(folder / "nginx", stack.site.port, upstreams))
        yield Fleet(stack, nginx, ports)
