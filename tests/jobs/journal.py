"""What attempts at the test work left behind, and what the database says of their jobs."""

from dataclasses import dataclass
from pathlib import Path

from tests.faults.oracle import LONG_AGO, Database
from tests.servers.stack import Stack

QUERY = "SELECT key, state, attempts, error FROM jobs_job WHERE created_at >= {mark}"


@dataclass(frozen=True, slots=True)
class Journal:
    """The file of one test's work on one server."""

    server: Stack
    path: Path

    def enqueue(self, kind, *keys):
        code = "import sys; from tests.jobs.worker import enqueue; enqueue(*sys.argv[1:])"
        self.server.run_python("-c", code, kind, str(self.path), *keys)

    def release(self):
        self.path.with_name("release").touch()

    def read(self):
        return self.path.read_text().splitlines() if self.path.exists() else []

    def list_begun(self, key):
        """The processes of the attempts that began, in order."""
        return [int(line.split()[-1]) for line in self.read() if line.startswith(f"begin {key} ")]

    def count_ends(self, key):
        return self.read().count(f"end {key}")

    def read_job(self, key):
        """State, attempts and error."""
        rows = Database.of(self.server.environment).select(QUERY, LONG_AGO)
        (found,) = [row[1:] for row in rows if row[0] == key]
        return found
