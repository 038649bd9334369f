"""What programs of other hosts printed, kept in `agent/tests/fixtures`, and who answers with it."""

from pathlib import Path

from streamswarm_agent.collectors.commands import Answer

FIXTURES = Path(__file__).parents[1] / "fixtures"
REFUSED = Answer("", is_good=False, complaint="netlink error: Operation not permitted\n")
UNSUPPORTED = Answer("", is_good=False, complaint="netlink error: Operation not supported\n")


def read_fixture(name):
    return (FIXTURES / name).read_text("utf-8")


def answer_of(name, *, is_good=True):
    return Answer(read_fixture(name), is_good=is_good)


class Programs:
    """The programs of a host: answers by command line; what is not there is not installed."""

    def __init__(self, **answers):
        self.answers = answers
        self.calls = []

    def __call__(self, arguments):
        self.calls.append(" ".join(arguments))
        program = self.answers.get(arguments[0])
        return program(arguments) if callable(program) else program


def nothing_installed(_arguments):
    return None
