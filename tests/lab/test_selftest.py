"""The proof that users run, on this host; and that it sees an agent that lies."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from streamswarm_agent.laboratory.path import SOURCE_FOLDER
from streamswarm_agent.laboratory.selftest import Bench, prove_duplication, prove_loss

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "streamswarm_agent", "selftest", "--json"]
SECONDS = 300


@dataclass(frozen=True)
class LyingAgent:
    """Says that it received one more than it did."""

    agent: object

    def test(self, *arguments, **options):
        outcome = self.agent.test(*arguments, **options)
        values = outcome["values"]
        return {
            **outcome,
            "values": {
                **values,
                "net.packet.received": values["net.packet.received"] + 1,
                "net.packet.duplicate.ratio": 0.0,
            },
        }


def test_the_proof_for_users_holds(laboratory_is_possible, lab_table):
    environment = {**os.environ, "PYTHONPATH": str(SOURCE_FOLDER)}
    finished = subprocess.run(
        COMMAND, capture_output=True, text=True, timeout=SECONDS, env=environment, check=False
    )
    answer = json.loads(finished.stdout)
    for one in answer["findings"]:
        title = f"selftest, {one['experiment']}: {one['metric']}"
        lab_table.record(title, one["truth"], one["measured"], "", one["is_good"])
    assert answer["is_good"]
    assert finished.returncode == 0


def test_a_lie_does_not_agree_with_the_truth(bridge, agent):
    bench = Bench(bridge, LyingAgent(agent))
    found = {(one.metric, one.is_good) for one in [*prove_loss(bench), *prove_duplication(bench)]}
    assert ("net.packet.received", False) in found
    assert ("net.packet.duplicate.ratio", False) in found
    assert ("net.packet.sent", True) in found
