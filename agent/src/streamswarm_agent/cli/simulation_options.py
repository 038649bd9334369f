"""What `simulate` can be asked to send, and what is to go wrong on the way."""

import argparse
from pathlib import Path

from streamswarm_agent.cli import options
from streamswarm_agent.errors import AgentError
from streamswarm_agent.runtime.simulated_delivery import Faults
from streamswarm_agent.runtime.simulation import Load
from streamswarm_agent.wire.batches import MAXIMUM_RECORDS
from streamswarm_agent.wire.layouts import MAXIMUM_KEYS

USUAL_METRICS = 60


def add_content_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--kind",
        choices=("host", "test"),
        default="host",
        help="metrics of a host, or samples of a ping test that the server has given the clients",
    )
    parser.add_argument(
        "--metrics",
        type=options.parse_count,
        help=f"values a host frame (default: {USUAL_METRICS})",
    )
    parser.add_argument(
        "--anomaly-share",
        type=parse_share,
        default=0.0,
        metavar="SHARE",
        help="of the frames: level shifts, spikes, loss bursts, drop-outs (default: 0)",
    )
    parser.add_argument(
        "--anomalies", type=Path, metavar="FILE", help="list every anomaly as a line of JSON"
    )


def add_fault_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--late",
        type=parse_share,
        default=0.0,
        metavar="SHARE",
        help="of the frames, measured up to 6.9 days ago",
    )
    parser.add_argument(
        "--duplicate",
        type=parse_share,
        default=0.0,
        metavar="SHARE",
        help="of the frames, sent twice",
    )
    parser.add_argument(
        "--shuffled", action="store_true", help="mix the order of records and batches"
    )
    parser.add_argument(
        "--frames-per-request",
        type=parse_frames_per_request,
        metavar="N",
        help="a request leaves with so many frames (default: each second with what waits)",
    )


def parse_share(text: str) -> float:
    """A number from 0 to 1, for argparse."""
    share = float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return share


def parse_frames_per_request(text: str) -> int:
    """A number of records that an agent may send at once, for argparse."""
    count = options.parse_count(text)
    if count > MAXIMUM_RECORDS:
        raise argparse.ArgumentTypeError(f"{text} is over {MAXIMUM_RECORDS}, the most of a request")
    return count


def build_load(arguments: argparse.Namespace) -> Load:
    """What the options ask for. Raises: AgentError naming an option that cannot be."""
    if arguments.kind == "test" and arguments.metrics is not None:
        raise AgentError("metrics: only for --kind host; the samples of a test have their own")
    if (arguments.metrics or USUAL_METRICS) > MAXIMUM_KEYS:
        raise AgentError(f"metrics: {arguments.metrics} is over the {MAXIMUM_KEYS} of a layout")
    return Load(
        rate_per_second=arguments.rate,
        duration_seconds=arguments.duration,
        frames_per_request=arguments.frames_per_request,
        anomaly_share=arguments.anomaly_share,
        faults=Faults(arguments.late, arguments.duplicate, arguments.shuffled),
    )
