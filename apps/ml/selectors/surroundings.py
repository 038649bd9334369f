"""Where what is learned from was measured: by which agent, over which interfaces and path."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from ipaddress import ip_interface
from uuid import UUID

from django.db.models import Exists, OuterRef

from apps.clients.models import Client, Interface
from apps.metrics.models import Fact
from apps.ml.algorithms.scopes import Scope
from apps.tests.models import Assignment

PATH_FACT = "path.hash"
# A path that came for a moment is none that models should follow.
SETTLED = timedelta(hours=1)
LONGEST_VALUE = 200

# By what it is ("agent", "interfaces", "path", "clients"); what is not known is absent.
Surroundings = dict[str, str]


def read_surroundings(scopes: Sequence[Scope], now: datetime) -> dict[Scope, Surroundings]:
    """Those of each test and assignment among the scopes; at most five queries for any number."""
    assignments = list_assignments(scopes)
    client_ids = {client_id for rows in assignments.values() for client_id, _target in rows}
    versions = dict(
        Client.objects.filter(id__in=client_ids)
        .exclude(agent_version="")
        .values_list("id", "agent_version")
    )
    interfaces, paths = list_interfaces(client_ids), list_paths(client_ids, now)
    found: dict[Scope, Surroundings] = {}
    for scope, rows in assignments.items():
        clients = {client_id for client_id, _target in rows}
        parts = {"agent": join(versions[one] for one in clients if one in versions)}
        if scope.word == "assignment":
            ((client_id, target_id),) = rows
            parts["interfaces"] = join(interfaces.get(client_id, ()))
            parts["path"] = join(paths.get((client_id, target_id), ()))
        else:
            parts["clients"] = join(str(client_id)[:8] for client_id in clients)
        found[scope] = {name: text for name, text in parts.items() if text}
    return found


def join(words: Iterable[str]) -> str:
    return " ".join(sorted(set(words)))[:LONGEST_VALUE]


def list_assignments(scopes: Sequence[Scope]) -> dict[Scope, list[tuple[UUID, UUID | None]]]:
    """Client and target of the assignments that run now of each scope; of others none."""
    by_word: dict[str, dict[UUID, Scope]] = defaultdict(dict)
    for scope in scopes:
        if scope.word in {"assignment", "test"}:
            by_word[scope.word][UUID(scope.subject)] = scope
    columns = ("client_id", "test__target_id")
    found: dict[Scope, list[tuple[UUID, UUID | None]]] = defaultdict(list)
    running = Assignment.objects.filter(removed_at=None)
    for word, key in (("assignment", "id"), ("test", "test_id")):
        known = by_word[word]
        rows = running.filter(**{f"{key}__in": list(known)}) if known else running.none()
        for subject, client_id, target_id in rows.values_list(key, *columns):
            found[known[subject]].append((client_id, target_id))
    return dict(found)


def list_interfaces(client_ids: Iterable[UUID]) -> dict[UUID, list[str]]:
    """The names of interfaces that are up and have an address that others can reach."""
    rows = Interface.objects.filter(client_id__in=list(client_ids), is_up=True)
    found: dict[UUID, list[str]] = defaultdict(list)
    for client_id, name, addresses in rows.values_list("client_id", "name", "addresses"):
        if any(is_reachable(address) for address in addresses):
            found[client_id].append(name)
    return found


def is_reachable(address: str) -> bool:
    """Containers' links come and go; what they have by themselves counts for nothing."""
    try:
        read = ip_interface(address)
    except ValueError:
        return False
    return not (read.is_loopback or read.is_link_local)


def list_paths(
    client_ids: Iterable[UUID], now: datetime
) -> Mapping[tuple[UUID, UUID | None], list[str]]:
    """The paths that traces of the clients found an hour ago, by client and target."""
    facts = Fact.objects.filter(key=PATH_FACT, since__lte=now - SETTLED)
    later = facts.filter(source=OuterRef("source"), since__gt=OuterRef("since"))
    rows = facts.filter(
        ~Exists(later),
        source__assignment__client_id__in=list(client_ids),
        source__assignment__removed_at=None,
    )
    columns = ("source__assignment__client_id", "source__assignment__test__target_id", "value")
    found: dict[tuple[UUID, UUID | None], list[str]] = defaultdict(list)
    for client_id, target_id, path in rows.values_list(*columns):
        found[client_id, target_id].append(path)
    return found
