"""The command line's entry: which commands there are and how their errors look."""

import argparse
import logging
import sys
from collections.abc import Sequence

from streamswarm_agent import __version__
from streamswarm_agent.cli import (
    check,
    enrol,
    interfaces,
    metrics,
    respond,
    run,
    selftest,
    simulate,
    stats,
    test,
    watch,
)
from streamswarm_agent.errors import AgentError

_COMMANDS = (
    enrol,
    run,
    check,
    stats,
    metrics,
    interfaces,
    watch,
    test,
    respond,
    simulate,
    selftest,
)
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code: 0 done, 1 failed, 2 misused, 130 interrupted."""
    arguments = build_parser().parse_args(argv)
    logging.basicConfig(
        level=logging.DEBUG if arguments.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    for chatty in ("httpx", "httpcore", "websockets", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        exit_code: int = arguments.execute(arguments)
    except AgentError as error:
        print(f"streamswarm-agent: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    return exit_code


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="streamswarm-agent", description="The measuring agent of StreamSwarm."
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--verbose", action="store_true", help="log every call")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_command(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
