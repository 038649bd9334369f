"""What `check` finds on this host: state directory, spool, budget, secrets, what it can measure."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from streamswarm_agent import collectors, probes
from streamswarm_agent.cli.finding import Check
from streamswarm_agent.errors import StateUnusable
from streamswarm_agent.probes import PROBES, responders
from streamswarm_agent.runtime.budget import Limits
from streamswarm_agent.runtime.configuration.resolution import Configuration
from streamswarm_agent.runtime.configuration.sources import list_unknown_variables
from streamswarm_agent.runtime.configuration.table import BYTES_PER_MEGABYTE
from streamswarm_agent.runtime.egress import read_local_denials
from streamswarm_agent.runtime.status import read_last_restart, read_status
from streamswarm_agent.spool.database import read_totals
from streamswarm_agent.spool.state import StateDirectory
from streamswarm_agent.wire.plugins import Plugin, load_contracts

_NEARLY_FULL_SHARE = 0.8
_READ_BY_OTHERS = stat.S_IRGRP | stat.S_IROTH
_WRITTEN_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def check_files(state: StateDirectory, configuration: Configuration) -> Iterator[Check]:
    """Files that others must neither read nor change, the deny list, names that mean nothing."""
    identity = state.path / "agent.json"
    if identity.exists():
        yield check_mode(identity, _READ_BY_OTHERS | _WRITTEN_BY_OTHERS)
    if configuration.file is not None:
        has_secret = any(
            one.setting.is_secret and "@" in str(one.value) for one in configuration.said
        )
        forbidden = _WRITTEN_BY_OTHERS | (_READ_BY_OTHERS if has_secret else 0)
        yield check_mode(configuration.file, forbidden)
    for sentence in list_unknown_variables(os.environ):
        yield Check("environment", is_good=False, detail=sentence, is_required=False)
    try:
        networks = read_local_denials(state.path / "deny", configuration.read_networks())
    except (StateUnusable, OSError, UnicodeError) as error:
        yield Check("deny list", is_good=False, detail=str(error), remedy="correct the entry")
        return
    yield Check("deny list", is_good=True, detail=f"{len(networks)} networks by this host's owner")


def check_mode(path: Path, forbidden: int) -> Check:
    """Whether a file's mode keeps others out."""
    mode = path.stat().st_mode
    shown = f"{path} (mode {stat.S_IMODE(mode):o})"
    return Check(
        "privacy",
        is_good=not mode & forbidden,
        detail=f"others may {_name_access(mode & forbidden)} {shown}"
        if mode & forbidden
        else shown,
        remedy=f"chmod go-{'rw' if forbidden & _READ_BY_OTHERS else 'w'} {path}",
        is_required=False,
    )


def _name_access(bits: int) -> str:
    names = ["read"] * bool(bits & _READ_BY_OTHERS) + ["change"] * bool(bits & _WRITTEN_BY_OTHERS)
    return " and ".join(names)


def check_plugins() -> Iterator[Check]:
    """The plug-ins of other packages, and why one of them was left out."""
    found: list[Plugin[Any]] = [
        *load_contracts(),
        *probes.PLUGINS,
        *responders.PLUGINS,
        *collectors.PLUGINS,
    ]
    for one in found:
        group = one.group.rpartition(".")[2]
        yield Check(
            f"plug-in {one.name}",
            is_good=not one.fault,
            detail=f"{group} of {one.package}" + (f": {one.fault}" if one.fault else ""),
            remedy="repair or uninstall the package; everything else goes on",
            is_required=False,
        )


def check_process(state: StateDirectory, configuration: Configuration) -> Iterator[Check]:
    """The running agent, if there is one, and how it stands to its budget."""
    limits = Limits.of(configuration)
    allowed = (
        f"{limits.memory_bytes / BYTES_PER_MEGABYTE:.0f} MB and {limits.cpu_share:.1%} of a core "
        f"at rest, {limits.running_memory_bytes / BYTES_PER_MEGABYTE:.0f} MB and "
        f"{limits.running_cpu_share:.1%} while a test runs"
    )
    try:
        with state.hold_lock():
            yield Check("agent", is_good=False, detail="not running", is_required=False)
            yield Check("budget", is_good=True, detail=allowed, is_required=False)
            return
    except StateUnusable:
        status = read_status(state)
    if status is None:
        yield Check("agent", is_good=True, detail="running; it has not described itself yet")
        return
    try:
        process = psutil.Process(status.process_id)
        megabytes = process.memory_info().rss / BYTES_PER_MEGABYTE
        detail = f"running as process {status.process_id}, version {status.version}"
        yield Check("agent", is_good=True, detail=detail)
        shown = f"{status.budget}; {megabytes:.0f} MB now; allowed are {allowed}"
    except psutil.Error:
        yield Check("agent", is_good=True, detail="running")
        shown = f"{status.budget}; allowed are {allowed}"
    yield Check(
        "budget",
        is_good=status.budget == "normal",
        detail=shown,
        remedy="allow more with budget.*, or let it read less with collectors.*",
        is_required=False,
    )
    if restart := read_last_restart(state):
        yield Check("restart", is_good=False, detail=restart, is_required=False)


def check_spool(state: StateDirectory, configuration: Configuration) -> Check:
    """What waits on the disk, beside what may."""
    limit_megabytes = configuration.read_number("state.spool_megabytes")
    if not state.spool_path.exists():
        return Check("spool", is_good=True, detail=f"empty, {limit_megabytes:g} MB allowed")
    try:
        totals = read_totals(state.spool_path)
    except StateUnusable as error:
        remedy = "start the agent: it sets a damaged file aside"
        return Check("spool", is_good=False, detail=str(error), remedy=remedy)
    megabytes = totals.bytes / BYTES_PER_MEGABYTE
    detail = (
        f"{totals.records} records, {megabytes:.1f} of {limit_megabytes:g} MB; "
        f"{totals.dropped} dropped, {totals.refused} refused by the server"
    )
    is_roomy = megabytes < limit_megabytes * _NEARLY_FULL_SHARE
    remedy = "find out why the server takes nothing, or raise state.spool_megabytes"
    return Check("spool", is_good=is_roomy, detail=detail, remedy=remedy, is_required=False)


def check_kinds() -> Check:
    """The kinds of test that this agent has a probe for."""
    kinds = ", ".join(sorted(PROBES))
    return Check("kinds of test", is_good=True, detail=kinds, is_required=False)
