"""What a page may listen to: its name on the socket, its channel group, and who may join."""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from apps.accounts.policy import AnyUser, Permission, require
from apps.clients.selectors import list_clients
from apps.core.errors import FieldError, Invalid, NotFound
from apps.tests.selectors import list_assignments, list_runs, list_tests

OVERVIEW = "overview"
# That some training goes on, or some model changed; without a word about which.
LEARNING = "learning"
# That something was found, or said of it; likewise.
FINDINGS = "findings"
# That some report or export goes on; likewise.
PAPERS = "papers"
OPEN_TOPICS = (OVERVIEW, LEARNING, FINDINGS, PAPERS)


def name_topic(kind: str, id: UUID | str) -> str:
    return f"{kind}:{id}"


def name_group(topic: str) -> str:
    """The channel group of a topic; groups allow no colon."""
    return f"live.{topic.replace(':', '.')}"


# Each gives the rows that a user may see.
VISIBLE: dict[str, Callable[[AnyUser], QuerySet[Any]]] = {
    "client": list_clients,
    "test": list_tests,
    "run": list_runs,
    "assignment": list_assignments,
}


def authorise(user: AnyUser, topics: Iterable[str]) -> list[str]:
    """The groups of the topics, all of which `user` may see.

    Raises: Invalid for a word that is no topic; NotAuthenticated, Refused or NotFound when one of
    them is not for this user.
    """
    require(user, Permission.VIEW)
    return [authorise_one(user, topic) for topic in topics]


def authorise_one(user: AnyUser, topic: str) -> str:
    kind, _separator, text = topic.partition(":")
    if topic not in OPEN_TOPICS:
        if kind not in VISIBLE:
            raise Invalid([FieldError("subscribe", "unknown_topic", "names no topic")])
        try:
            id = UUID(text)
        except ValueError:
            raise Invalid([FieldError("subscribe", "malformed", "holds no UUID")]) from None
        if not VISIBLE[kind](user).filter(id=id).exists():
            raise NotFound(f"{kind}_unknown", "There is no such thing to watch.")
        topic = name_topic(kind, id)
    return name_group(topic)
