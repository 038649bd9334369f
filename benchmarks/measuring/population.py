"""Fills the server of a benchmark through its own services (tests/population.py)."""

from tests.servers.stack import Stack

POPULATE = "import django; django.setup(); from tests.population import main; main()"


def fill(stack: Stack, *, clients: int, tests: int) -> str:
    """What was made and how long it took, in words."""
    output = stack.run_python("-c", POPULATE, f"--clients={clients}", f"--tests={tests}")
    return output.strip().splitlines()[-1]
