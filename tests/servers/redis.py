"""A Redis of the tests' own, with the program and the options that `manage.py up` uses."""

import asyncio
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

from apps.operations.supervisor.child import build_launch_argv
from apps.operations.supervisor.programs import Site, describe_redis
from tests.servers.waiting import wait_until

START_SECONDS = 20


@contextmanager
def run_redis(var_dir: Path):
    """The URL of a server that runs while the block does."""
    site = Site(
        root=var_dir,
        var_dir=var_dir,
        host="127.0.0.1",
        port=0,
        is_sqlite=True,
        environment=dict(os.environ),
    )
    var_dir.mkdir(parents=True, exist_ok=True)
    child = describe_redis(site)
    process = subprocess.Popen(
        build_launch_argv(child), cwd=child.folder, stdout=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: asyncio.run(child.is_ready()), seconds=START_SECONDS, what="Redis")
        yield f"unix://{var_dir}/redis/redis.sock"
    finally:
        process.terminate()
        process.wait()
