"""What users and clients may use, and how much of it they use."""

from dataclasses import dataclass
from typing import Any

from apps.accounts.models import User
from apps.clients.models import Client
from apps.tests.algorithms.quotas import UNITS, Limits, Use
from apps.tests.models import Quota
from apps.tests.services.quotas import LimitTable, measure_clients, measure_users, read_limits


@dataclass(frozen=True, slots=True)
class Bar:
    """One quantity of a standing; without a limit there is no ratio."""

    name: str
    unit: str
    used: float
    limit: float | None

    @property
    def ratio(self) -> float | None:
        """Used over limit, 0 to 1 and above; 1 for a limit of 0 that is kept to."""
        if self.limit is None:
            return None
        return self.used / self.limit if self.limit else 1.0


@dataclass(frozen=True, slots=True)
class Standing:
    """The limits of one user or client, and its use if all its runs run at once."""

    scope: str
    owner_id: Any
    name: str
    is_own: bool
    limits: Limits
    use: Use

    @property
    def bars(self) -> list[Bar]:
        return [
            Bar(name, unit, getattr(self.use, name), getattr(self.limits, name))
            for name, unit in UNITS.items()
        ]

    @property
    def highest_ratio(self) -> float:
        return max((bar.ratio for bar in self.bars if bar.ratio is not None), default=0.0)


def describe_standings() -> list[Standing]:
    """Every user and client that uses something or has its own limits, the fullest first.

    The same few queries for any number of them.
    """
    found = []
    for scope, uses, names in (
        (Quota.Scope.USER, measure_users(), dict(User.objects.values_list("id", "username"))),
        (Quota.Scope.CLIENT, measure_clients(), dict(Client.objects.values_list("id", "name"))),
    ):
        table = read_limits(scope)
        found += [
            build_standing(scope, owner_id, names[owner_id], table, uses.get(owner_id, Use()))
            for owner_id in {*uses, *table.of}
            if owner_id in names
        ]
    return sorted(found, key=lambda one: (-one.highest_ratio, one.scope, one.name))


def describe_client_standing(client: Client) -> Standing:
    """What one client may be asked for, and is."""
    use = measure_clients([client.id]).get(client.id, Use())
    table = read_limits(Quota.Scope.CLIENT)
    return build_standing(Quota.Scope.CLIENT, client.id, client.name, table, use)


def build_standing(scope: str, owner_id: Any, name: str, table: LimitTable, use: Use) -> Standing:
    return Standing(scope, owner_id, name, owner_id in table.of, table.find(owner_id), use)
