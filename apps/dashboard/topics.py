"""What a page may listen to: its name on the socket, its channel group, and who may join."""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from apps.accounts.policy import AnyUser, Permission, require
from apps.clients.selectors import get_client
from apps.core.errors import FieldError, Invalid, NotFound
from apps.tests.selectors import get_run, get_test, list_assignments

OVERVIEW = "overview"


def name_topic(kind: str, id: UUID | str) -> str:
    return f"{kind}:{id}"


def name_group(topic: str) -> str:
    """The channel group of a topic; groups allow no colon."""
    return f"live.{topic.replace(':', '.')}"


def check_assignment(user: AnyUser, assignment_id: UUID) -> None:
    if not list_assignments(user).filter(id=assignment_id).exists():
        raise NotFound("assignment_unknown", "There is no such assignment.")


# Each raises NotFound or Refused for somebody who may not see the object.
CHECKS: dict[str, Callable[[AnyUser, UUID], Any]] = {
    "client": get_client,
    "test": get_test,
    "run": get_run,
    "assignment": check_assignment,
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
    if topic != OVERVIEW:
        if kind not in CHECKS:
            raise Invalid([FieldError("subscribe", "unknown_topic", "names no topic")])
        try:
            id = UUID(text)
        except ValueError:
            raise Invalid([FieldError("subscribe", "malformed", "holds no UUID")]) from None
        CHECKS[kind](user, id)
        topic = name_topic(kind, id)
    return name_group(topic)
