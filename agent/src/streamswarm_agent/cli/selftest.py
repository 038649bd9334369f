"""`selftest`: the agent's figures beside the truth, on a path that the agent makes itself."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from streamswarm_agent.cli import options
from streamswarm_agent.cli.quantities import format_quantity
from streamswarm_agent.errors import AgentError

if TYPE_CHECKING:
    from streamswarm_agent.laboratory.selftest import Finding


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
    from streamswarm_agent.laboratory.namespaces import explain_missing
    from streamswarm_agent.laboratory.selftest import prove_on_this_host

    reason = explain_missing()
    if reason:
        raise AgentError(reason)
    if not arguments.json:
        print("Measuring a path between two hosts inside this one; half a minute.", flush=True)
    findings = list(prove_on_this_host())
    is_good = all(finding.is_good for finding in findings)
    if arguments.json:
        print(json.dumps(describe(findings)))
    else:
        _print_findings(findings)
    return 0 if is_good else 1


def describe(findings: Sequence["Finding"]) -> dict[str, Any]:
    """Everything that was found, for programs."""
    return {
        "is_good": all(finding.is_good for finding in findings),
        "findings": [asdict(finding) | {"is_good": finding.is_good} for finding in findings],
    }


def _print_findings(findings: Sequence["Finding"]) -> None:
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
