"""What somebody may have made and sent: how much, how often, and to whom."""

from collections.abc import Iterable
from datetime import timedelta
from math import ceil

from apps.accounts.models import User
from apps.accounts.policy import Permission, may
from apps.core.clock import read_now
from apps.core.errors import Conflict, Refused, TooManyRequests
from apps.reports.models import ReportPlan
from apps.reports.selectors.reports import count_open_reports, list_mailed_by_hand

MOST_PLANS = 100
MOST_OPEN = 5
MOST_MAILED = 10
MAILED_WITHIN = timedelta(hours=1)


def require_sending(owner: User, recipients: Iterable[str]) -> None:
    """Nothing, when reports of `owner` may be sent to those.

    Raises: Refused for any but the owner's address as an administrator set it, unless the owner
    operates clients.
    """
    if set(recipients) - {owner.confirmed_email} and not may(owner, Permission.OPERATE):
        raise Refused(
            "refused",
            "Reports of somebody who only views are sent to the own address alone, as an"
            " administrator set it.",
        )


def require_plan_room(owner: User) -> None:
    """Raises: Conflict when `owner` has as many plans as may be."""
    if ReportPlan.objects.filter(owner=owner).count() >= MOST_PLANS:
        raise Conflict(
            "report_plans", f"You have {MOST_PLANS} report plans, the most there may be."
        )


def require_report_room(owner: User) -> None:
    """Raises: Conflict when as many reports of `owner` as may be are not finished yet."""
    if count_open_reports(owner) >= MOST_OPEN:
        detail = f"{MOST_OPEN} reports that were asked for are not finished yet."
        raise Conflict("reports_open", detail)


def require_mailing_pause(user: User, address: str) -> None:
    """Raises: TooManyRequests when `user` sent as many reports to `address` as an hour may have."""
    now = read_now()
    newest = list_mailed_by_hand(user, address, since=now - MAILED_WITHIN)[:MOST_MAILED]
    times = list(newest.values_list("at", flat=True))
    if len(times) < MOST_MAILED:
        return
    seconds = max(ceil((times[-1] + MAILED_WITHIN - now).total_seconds()), 1)
    raise TooManyRequests(
        "reports_mailed",
        f"You had {MOST_MAILED} reports sent to {address} within an hour, the most there may be;"
        f" try again in {ceil(seconds / 60)} min.",
        retry_after_seconds=seconds,
    )
