"""`selftest`: the agent's figures beside the truth, on a path that the agent makes itself."""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from streamswarm_agent.cli import options
from streamswarm_agent.cli.quantities import format_quantity
from streamswarm_agent.errors import AgentError
from streamswarm_agent.laboratory.measuring import Agent
from streamswarm_agent.laboratory.namespaces import explain_missing
from streamswarm_agent.laboratory.path import open_path
from streamswarm_agent.laboratory.selftest import Bench, Finding, run_selftest


def add_command(commands: Any) -> None:
    parser = options.add_parser(
        commands, "selftest", "measure a path whose faults are known, and compare (as root)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Print truth beside measured; 0 when all agree, otherwise 1.

    Raises: AgentError when this host has no room for a laboratory.
    """
    reason = explain_missing()
    if reason:
        raise AgentError(reason)
    findings = list(_prove(is_said=not arguments.json))
    is_good = all(finding.is_good for finding in findings)
    if arguments.json:
        print(json.dumps(describe(findings)))
    else:
        _print_findings(findings)
    return 0 if is_good else 1


def describe(findings: Sequence[Finding]) -> dict[str, Any]:
    """Everything that was found, for programs."""
    return {
        "is_good": all(finding.is_good for finding in findings),
        "findings": [asdict(finding) | {"is_good": finding.is_good} for finding in findings],
    }


def _prove(*, is_said: bool) -> Iterator[Finding]:
    if is_said:
        print("Measuring a path between two hosts of this host's own; half a minute.", flush=True)
    with tempfile.TemporaryDirectory() as folder, open_path() as path:
        for findings in run_selftest(Bench(path, Agent(path.host("near"), Path(folder)))):
            yield from findings


def _print_findings(findings: Sequence[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("", "experiment", "metric", "truth", "measured", box=None, header_style="bold")
    table.columns[2].no_wrap, table.columns[2].overflow = True, "fold"
    for column in table.columns[3:]:
        column.justify = "right"
    for one in findings:
        mark = Text("ok", "green") if one.is_good else Text("WRONG", "red")
        measured = "-" if one.measured is None else format_quantity(one.metric, one.measured)
        truth = format_quantity(one.metric, one.truth)
        table.add_row(mark, Text(one.experiment), Text(one.metric), truth, measured)
    wrong_count = sum(not finding.is_good for finding in findings)
    console = Console()
    console.print(table)
    console.print(f"{len(findings) - wrong_count} of {len(findings)} figures agree with the truth")
