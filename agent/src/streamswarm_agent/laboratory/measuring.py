"""The real agent, measuring from a host of the laboratory."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamswarm_agent.laboratory.namespaces import LaboratoryFailed, Namespace
from streamswarm_agent.laboratory.path import SOURCE_FOLDER

START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Agent:
    """`streamswarm-agent test` on that host; it keeps its state in a folder of its own."""

    host: Namespace
    state_folder: Path

    def test(
        self, kind: str, target: str, *, duration_seconds: float, **parameters: Any
    ) -> dict[str, Any]:
        """What one run found: `values`, `absent`, `facts`, `document` and the rest of an outcome.

        Raises: LaboratoryFailed when there is no outcome; silence of the target is one.
        """
        options = [f"--param={name}={value}" for name, value in parameters.items()]
        argv = [
            "env", f"PYTHONPATH={SOURCE_FOLDER}", f"PATH={os.environ.get('PATH', os.defpath)}",
            sys.executable, "-m", "streamswarm_agent", "test", kind, target, "--json",
            f"--duration={duration_seconds}", f"--state-dir={self.state_folder}", *options,
        ]  # fmt: skip
        printed = self.host.run(argv, timeout=duration_seconds + START_SECONDS, good_codes=(0, 1))
        try:
            outcome: dict[str, Any] = json.loads(printed)["outcome"]
        except ValueError as error:
            raise LaboratoryFailed(f"the agent's {kind} test of {target} said nothing") from error
        return outcome
