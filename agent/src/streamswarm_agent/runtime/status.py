"""What a running agent leaves in its state directory for `check` to read."""

import logging
import os
from dataclasses import dataclass

from streamswarm_agent import __version__
from streamswarm_agent.errors import StateUnusable
from streamswarm_agent.runtime.parts import Parts
from streamswarm_agent.spool.state import StateDirectory
from streamswarm_agent.wire.times import format_time

logger = logging.getLogger(__name__)

_STATUS_FILE = "status.json"
_RESTART_FILE = "restart.json"


@dataclass(frozen=True, slots=True)
class KeptStatus:
    """The last status an agent wrote: its process, version, file of settings, step of saving."""

    process_id: int
    version: str
    configuration_file: str
    budget: str


class Status:
    """Keeps the state directory's status up to date, writing only when it changes."""

    def __init__(self, state: StateDirectory, parts: Parts) -> None:
        self._state = state
        self._parts = parts
        self._kept: dict[str, object] = {}

    @property
    def is_new(self) -> bool:
        """Whether there is something that is not on disk yet."""
        return self._describe() != self._kept

    def keep(self) -> None:
        """Write the status; a disk that refuses is logged."""
        status = self._describe()
        try:
            self._state.write_json(_STATUS_FILE, status)
        except StateUnusable as error:
            logger.warning("status_not_kept reason=%s", error)
        else:
            self._kept = status

    def _describe(self) -> dict[str, object]:
        return {
            "process_id": os.getpid(),
            "version": __version__,
            "configuration_file": str(self._parts.settings.configuration.file or ""),
            "budget": self._parts.budget.verdict.describe(),
        }


def read_status(state: StateDirectory) -> KeptStatus | None:
    """The last status, None when there is none that can be understood."""
    try:
        document = state.read_json(_STATUS_FILE)
        return None if document is None else KeptStatus(**document)
    except (StateUnusable, TypeError):
        return None


def write_restart(state: StateDirectory, at: float, reason: str) -> None:
    """Leave word for the next process why this one made room for it."""
    try:
        state.write_json(_RESTART_FILE, {"at": format_time(at), "reason": reason})
    except StateUnusable as error:
        logger.warning("restart_not_kept reason=%s", error)


def read_last_restart(state: StateDirectory) -> str:
    """When and why an agent last restarted itself, empty when none did."""
    try:
        document = state.read_json(_RESTART_FILE) or {}
    except StateUnusable:
        return ""
    return f"{document['at']}: {document['reason']}" if {"at", "reason"} <= set(document) else ""
