from dataclasses import dataclass

from apps.accounts.policy import AnyUser
from apps.clients.models import Client
from apps.clients.selectors import ClientQuery, search_clients
from apps.dashboard.selectors.tests import search_tests
from apps.tests.models import Test

FOUND_AT_MOST = 8


@dataclass(frozen=True, slots=True)
class Found:
    clients: list[Client]
    tests: list[Test]


def search_everything(user: AnyUser, text: str) -> Found:
    """The first clients and tests that `user` sees and whose name or address holds `text`."""
    clients = (
        search_clients(user, ClientQuery(text=text))
        .defer("inventory")
        .prefetch_related(None)
        .order_by("name")
    )
    tests = search_tests(user, text=text).order_by("name")
    return Found(list(clients[:FOUND_AT_MOST]), list(tests[:FOUND_AT_MOST]))
