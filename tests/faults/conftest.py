import pytest

QUICK_ROUNDS = 2


def pytest_addoption(parser):
    """Known only when this folder is named on the command line, as `make faults` does."""
    parser.addoption("--rounds", type=int, default=QUICK_ROUNDS, help="kills of each process")


@pytest.fixture(scope="session")
def rounds(request):
    return request.config.getoption("--rounds", default=QUICK_ROUNDS)


@pytest.fixture(scope="session")
def is_long_form(rounds):
    """Whether somebody asked for more than what `make test` has time for."""
    return rounds > QUICK_ROUNDS
