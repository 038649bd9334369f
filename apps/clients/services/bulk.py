"""One action on many clients: each in a transaction of its own, with a report of refusals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from apps.accounts.services import audited
from apps.clients.models import Client, Site, Tag
from apps.clients.services.editing import PlaceCheck, change_client, lock_client
from apps.clients.services.keys import revoke_keys
from apps.clients.services.removal import delete_client
from apps.core.errors import FieldError, Invalid, StreamSwarmError

MAXIMUM_CLIENTS = 1000


@dataclass(frozen=True, slots=True)
class BulkAction:
    """What is to be done: a name of ACTIONS and what it needs."""

    name: str
    tags: Sequence[Tag] = ()
    site: Site | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A client that stayed as it was, and why."""

    client: Client
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class BulkReport:
    """What came of an action on many clients."""

    done: int
    refused: tuple[Refusal, ...]


def act_on_clients(
    *, clients: Sequence[Client], action: BulkAction, check_place: PlaceCheck
) -> BulkReport:
    """How many clients the action was done to, and which refused it.

    `clients` are those the user may operate; `check_place` keeps them in the user's hands.
    Raises: Invalid for an unknown action, one without what it needs, or 0 or over 1,000 clients.
    """
    check_action(action)
    if not 1 <= len(clients) <= MAXIMUM_CLIENTS:
        detail = f"must name 1 to {MAXIMUM_CLIENTS} clients, not {len(clients)}"
        raise Invalid([FieldError("clients", "out_of_range", detail)])
    refused = []
    for client in clients:
        try:
            with audited():
                # It may have changed, or left the user's hands, since the list was read.
                locked = lock_client(client)
                check_place(locked.site, list(locked.tags.all()))
                ACTIONS[action.name](locked, action, check_place)
        except StreamSwarmError as error:
            refused.append(Refusal(client, error.code, error.detail))
    return BulkReport(len(clients) - len(refused), tuple(refused))


def check_action(action: BulkAction) -> None:
    if action.name not in ACTIONS:
        detail = f"must be one of {', '.join(ACTIONS)}"
        raise Invalid([FieldError("action", "unknown", detail)])
    if action.name in TAG_ACTIONS and not action.tags:
        raise Invalid([FieldError("tags", "required", "must name at least one tag")])


def add_tags(client: Client, action: BulkAction, check_place: PlaceCheck) -> None:
    kept = list(client.tags.all())
    replace_place(client, client.site, list(dict.fromkeys([*kept, *action.tags])), check_place)


def remove_tags(client: Client, action: BulkAction, check_place: PlaceCheck) -> None:
    gone = set(action.tags)
    kept = [tag for tag in client.tags.all() if tag not in gone]
    replace_place(client, client.site, kept, check_place)


def set_site(client: Client, action: BulkAction, check_place: PlaceCheck) -> None:
    replace_place(client, action.site, list(client.tags.all()), check_place)


def replace_place(
    client: Client, site: Site | None, tags: list[Tag], check_place: PlaceCheck
) -> None:
    if client.site == site and set(client.tags.all()) == set(tags):
        return
    change_client(client=client, site=site, tags=tags, check_place=check_place)


def revoke(client: Client, _action: BulkAction, _check_place: PlaceCheck) -> None:
    revoke_keys(client=client)


def delete(client: Client, _action: BulkAction, _check_place: PlaceCheck) -> None:
    delete_client(client=client)


TAG_ACTIONS = frozenset({"add_tags", "remove_tags"})
ACTIONS: dict[str, Callable[[Client, BulkAction, PlaceCheck], Any]] = {
    "add_tags": add_tags,
    "remove_tags": remove_tags,
    "set_site": set_site,
    "revoke_keys": revoke,
    "delete": delete,
}
