"""The measuring agent of StreamSwarm."""

import sys

__version__ = "0.1.0"

# httpx's own command line loads rich, click and pygments: five megabytes in every agent. httpx does
# without it when it cannot be found, which is what None says.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # the import system's contract
