"""What an agent moved aside because the server refused it, in the words of its ledger."""

import sqlite3
from contextlib import closing

from streamswarm_agent.spool.ledger import describe_measurement
from streamswarm_agent.wire.records import Record
from tests.flows.agents import AgentHost

QUERY = "SELECT code, kind, payload, at FROM quarantine WHERE kind IN ('frame', 'result')"


def list_refused(host: AgentHost) -> dict[str, str]:
    """The code by which each frame or result was refused, by its line in the ledger.

    What is no JSON has no line.
    """
    with closing(sqlite3.connect(host.state_folder / "spool.sqlite3", timeout=20)) as connection:
        # A bit that flipped may have left no UTF-8; the agent reads its spool in the same way.
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        rows = connection.execute(QUERY).fetchall()
    lines = {
        describe_measurement(Record(kind, at, payload, None)): code
        for code, kind, payload, at in rows
    }
    return {line: code for line, code in lines.items() if line is not None}
