"""What an analysis is asked: which clients and tests, from when to when, in whose zone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from apps.accounts.policy import AnyUser
from apps.clients.models import Client
from apps.clients.selectors import ClientQuery, list_clients, search_clients
from apps.core.errors import FieldError, Invalid
from apps.tests.models import Assignment
from apps.tests.selectors import list_assignments

LONGEST = timedelta(days=400)
SHORTEST = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` until before `end`."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    @property
    def previous(self) -> "Period":
        """The time of the same length just before."""
        return Period(self.start - self.length, self.start)


@dataclass(frozen=True, slots=True)
class Question:
    """What `user` asks; empty members narrow nothing."""

    user: AnyUser
    period: Period
    zone: ZoneInfo
    site: str = ""
    tag: str = ""
    client_id: UUID | None = None
    test_id: UUID | None = None

    def list_clients(self) -> "QuerySet[Client]":
        if not self.site and not self.tag:
            rows = list_clients(self.user)
        else:
            rows = search_clients(self.user, ClientQuery(site=self.site, tag=self.tag))
        return rows.filter(id=self.client_id) if self.client_id else rows

    def select_clients(self) -> "QuerySet[Client, Any]":
        """Their ids, for a condition."""
        return self.list_clients().order_by().values("id")

    def list_assignments(self) -> "QuerySet[Assignment]":
        """Those of the clients, removed ones included."""
        rows = list_assignments(self.user).filter(client_id__in=self.select_clients())
        return rows.filter(test_id=self.test_id) if self.test_id else rows


def check_period(start: datetime, end: datetime) -> Period:
    """Raises: Invalid for less than ten minutes or more than 400 days."""
    if not SHORTEST <= end - start <= LONGEST:
        detail = f"must be 10 minutes to {LONGEST.days} days later than start"
        raise Invalid([FieldError("end", "out_of_range", detail)])
    return Period(start, end)
