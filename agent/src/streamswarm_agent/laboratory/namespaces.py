"""Network namespaces that vanish with whoever made them, or at the next start."""

import os
import shutil
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import Any

from streamswarm_agent.errors import AgentError
from streamswarm_agent.laboratory.devices import NAMESPACE_FOLDER, TUN

PREFIX = "swarm-lab"
COMMAND_SECONDS = 30.0
START_TICKS_FIELD = 19
"""The place of a process's start in /proc/PID/stat, behind its name (proc(5))."""
SETTINGS = {
    "net.ipv4.ping_group_range": "0 2147483647",
    "net.ipv4.icmp_ratelimit": "0",
    "net.ipv6.icmp.ratelimit": "0",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv6.conf.all.accept_dad": "0",
    "net.ipv6.conf.default.accept_dad": "0",
    "net.ipv6.conf.default.accept_ra": "0",
    "net.ipv6.conf.default.router_solicitations": "0",
}


class LaboratoryFailed(AgentError):
    """A part of the laboratory could not be set up; the text has the command and its answer."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace of the laboratory, as a host of its own."""

    name: str

    def command(self, argv: Sequence[str]) -> list[str]:
        """What to start so that `argv` runs in here."""
        return ["ip", "netns", "exec", self.name, *argv]

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = COMMAND_SECONDS,
        good_codes: Collection[int] = (0,),
    ) -> str:
        """As the function of that name, in here."""
        return run(self.command(argv), timeout=timeout, good_codes=good_codes)

    def start(self, argv: Sequence[str], **options: Any) -> "subprocess.Popen[Any]":
        """The command, running; options are those of `subprocess.Popen`."""
        return subprocess.Popen(self.command(argv), **options)

    def configure(self, settings: Mapping[str, str]) -> None:
        """Set these kernel parameters in here; those that the kernel does not have are left out."""
        assignments = [f"{name}={value}" for name, value in settings.items()]
        self.run(["sysctl", "--quiet", "--ignore", "--write", *assignments])


def run(
    argv: Sequence[str],
    *,
    timeout: float = COMMAND_SECONDS,
    good_codes: Collection[int] = (0,),
) -> str:
    """What the command prints.

    Raises: LaboratoryFailed when it takes longer than the seconds or ends with another code.
    """
    try:
        finished = subprocess.run(
            argv, capture_output=True, text=True, timeout=timeout, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LaboratoryFailed(f"{' '.join(argv)}: {error}") from error
    if finished.returncode not in good_codes:
        said = finished.stderr.strip() or finished.stdout.strip() or "no word"
        raise LaboratoryFailed(f"{' '.join(argv)}: {said}")
    return finished.stdout


def explain_missing() -> str:
    """Why there can be no laboratory on this host, in a sentence; empty when there can."""
    if os.geteuid() != 0:
        return "the laboratory needs root to make network namespaces"
    if not os.access(TUN, os.R_OK | os.W_OK):
        return f"the laboratory needs {TUN} (modprobe tun; in a container, the device passed in)"
    missing = [program for program in ("ip", "sysctl") if shutil.which(program) is None]
    if missing:
        return f"the laboratory needs the command {' and '.join(missing)} (iproute2, procps)"
    try:
        with open_namespaces("trial"):
            return ""
    except LaboratoryFailed as error:
        return f"the laboratory may not make a network namespace here ({error})"


@contextmanager
def open_namespaces(*labels: str) -> Iterator[dict[str, Namespace]]:
    """A new namespace for each label, until the block ends; stale ones are swept away first.

    Raises: LaboratoryFailed.
    """
    sweep_stale()
    owner = f"{PREFIX}-{os.getpid()}-{_read_start_ticks(os.getpid())}"
    with ExitStack() as cleanup:
        opened = {}
        for label in labels:
            name = f"{owner}-{label}"
            run(["ip", "netns", "add", name])
            cleanup.callback(_delete, name)
            namespace = opened[label] = Namespace(name)
            namespace.run(["ip", "link", "set", "lo", "up"])
            namespace.configure(SETTINGS)
        yield opened


def sweep_stale() -> list[str]:
    """The namespaces whose makers are gone (killed, say), with what still ran there; all deleted.

    A name tells the maker's process and when that started, since numbers are used again.
    """
    stale = []
    for path in NAMESPACE_FOLDER.glob(f"{PREFIX}-*-*-*"):
        process_id, start_ticks = path.name.removeprefix(f"{PREFIX}-").split("-")[:2]
        if _read_start_ticks(int(process_id)) != start_ticks:
            stale.append(path.name)
            # Another laboratory may be sweeping as well.
            with suppress(LaboratoryFailed):
                _delete(path.name)
    return stale


def _delete(name: str) -> None:
    for process_id in run(["ip", "netns", "pids", name]).split():
        with suppress(ProcessLookupError):
            os.kill(int(process_id), SIGKILL)
    run(["ip", "netns", "delete", name])


def _read_start_ticks(process_id: int) -> str:
    try:
        stat = Path(f"/proc/{process_id}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[START_TICKS_FIELD]
