"""Actors of the hostile tests; how many examples each draws says the profile (tests/conftest.py).

`make fuzz` sets HYPOTHESIS_PROFILE=long.
"""

import pytest

from tests.factories.accounts import make_user
from tests.factories.clients import make_client, make_key


@pytest.fixture
def probe():
    return make_client()


@pytest.fixture
def key(probe):
    return make_key(probe)


@pytest.fixture
def operator(client):
    """The test client, signed in as one who may operate everything."""
    client.force_login(make_user("operator", "operator"))
    return client


@pytest.fixture
def administrator(client):
    client.force_login(make_user("administrator", "admin", is_staff=True))
    return client
