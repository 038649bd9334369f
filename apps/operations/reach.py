"""Whether this server reaches what it needs, and one target that somebody names."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from datetime import timedelta

from apps.clients.models import Client
from apps.configuration.errors import MailFault, MailNotConfigured
from apps.configuration.mail import reach_mail_server
from apps.core.clock import read_now
from apps.operations.doctor import Finding, Verdict
from apps.operations.doctor.base import Check
from apps.operations.doctor.stores import check_database, check_redis

RECENT = timedelta(minutes=10)
NAMED_AT_MOST = 5
CONNECT_SECONDS = 5.0
PING_SECONDS = 3
# What neither looks like an option of a program nor is one.
HOST = re.compile(r"[A-Za-z0-9_:][A-Za-z0-9._:%-]{0,252}")
TARGET = re.compile(r"(?:\[(?P<address>[^\]]+)\]|(?P<host>[^:\[\]]+)):(?P<port>[0-9]{1,5})")
HIGHEST_PORT = 65_535


def check_mail() -> list[Finding]:
    """Whether the mail server takes a connection and the password; nothing is sent."""
    try:
        name = reach_mail_server()
    except MailNotConfigured:
        return [Finding("mail", Verdict.SKIPPED, "no mail server is set", "See Settings, Mail.")]
    except MailFault as fault:
        return [Finding("mail", Verdict.FAILED, fault.detail)]
    return [Finding("mail", Verdict.OK, f"{name} answers")]


def check_agents() -> list[Finding]:
    """When the agents were last heard of; it fails when there are some and none is there."""
    rows = Client.objects.filter(deleted_at=None).order_by("-last_heartbeat_at")
    pairs = rows.exclude(last_heartbeat_at=None).values_list("name", "last_heartbeat_at")
    heard = [(name, at) for name, at in pairs if at is not None]
    if not heard:
        return [Finding("agents", Verdict.SKIPPED, "no agent was ever heard of")]
    now = read_now()
    silent = [name for name, at in heard if now - at > RECENT]
    last_name, last_at = heard[0]
    age_seconds = (now - last_at).total_seconds()
    detail = f"{len(heard) - len(silent)} of {len(heard)} within {RECENT.seconds // 60} min"
    detail += f", the last was {last_name} {age_seconds:.0f} s ago"
    if not silent:
        return [Finding("agents", Verdict.OK, detail)]
    names = ", ".join(silent[:NAMED_AT_MOST]) + (", ..." if len(silent) > NAMED_AT_MOST else "")
    verdict = Verdict.FAILED if len(silent) == len(heard) else Verdict.WARNING
    return [Finding("agents", verdict, detail, f"Silent: {names}.")]


CHECKS: Mapping[str, Check] = {
    "database": check_database,
    "redis": check_redis,
    "mail": check_mail,
    "agents": check_agents,
}


def reach_target(target: str, *, run: Callable[..., int] = subprocess.call) -> Finding:
    """Whether `host:port` takes a TCP connection, or `host` answers one ping."""
    found = TARGET.fullmatch(target)
    if found is not None:
        host, port = found["address"] or found["host"], int(found["port"])
        if not 0 < port <= HIGHEST_PORT:
            detail = f"the port must be from 1 to {HIGHEST_PORT}"
            return Finding(target, Verdict.FAILED, detail)
        return connect(target, host, port)
    if not HOST.fullmatch(target):
        return Finding(target, Verdict.FAILED, "must be host, host:port or [address]:port")
    return ping(target, run)


def connect(target: str, host: str, port: int) -> Finding:
    began = time.monotonic()
    try:
        with socket.create_connection((host, port), timeout=CONNECT_SECONDS):
            elapsed = time.monotonic() - began
    except UnicodeError:
        return Finding(target, Verdict.FAILED, "is no name that a host can have")
    except OSError as error:
        return Finding(target, Verdict.FAILED, f"no TCP connection: {error}")
    return Finding(target, Verdict.OK, f"TCP connection within {elapsed * 1000:.0f} ms")


def ping(host: str, run: Callable[..., int]) -> Finding:
    program = shutil.which("ping")
    if program is None:
        hint = "Name a port (host:443) to try TCP instead."
        return Finding(host, Verdict.SKIPPED, "there is no program ping on this machine", hint)
    command = [program, "-n", "-c", "1", "-W", str(PING_SECONDS), host]
    quiet = subprocess.DEVNULL
    try:
        code = run(command, stdout=quiet, stderr=quiet, timeout=3 * PING_SECONDS)
    except subprocess.TimeoutExpired:
        code = 1
    if code == 0:
        return Finding(host, Verdict.OK, "answers ping")
    return Finding(host, Verdict.FAILED, f"does not answer a ping within {PING_SECONDS} s")
