"""What must be free before anything starts: the var folder and the port."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apps.operations.supervisor.errors import CannotStartError


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Holds `path` while the block runs; the kernel lets go of it however this process ends.

    Raises: CannotStartError naming the process that holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStartError(
                f"StreamSwarm is already running with the folder {path.parent} "
                f"(process {file.read().strip() or 'unknown'}). Stop it first, "
                "or set SWARM_VAR_DIR and SWARM_PORT to run a second one."
            ) from None
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def is_locked(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def check_address_is_free(host: str, port: int) -> None:
    """Raises: CannotStartError when nothing can listen on the address; the text says why."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as candidate:
            # As the web server does: connections of an earlier run may still be closing.
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            candidate.bind(address)
            # Two unlistening sockets may share an address; only listening finds the owner.
            candidate.listen(1)
    except OSError as error:
        raise CannotStartError(
            f"cannot listen on {host} port {port}: {error.strerror or error}. "
            "Stop the program that uses it, or choose another with SWARM_HOST and SWARM_PORT."
        ) from None
