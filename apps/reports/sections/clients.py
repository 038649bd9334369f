"""Each client by itself: what it is, how its tests went, and what its host was busy with."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.clients.models import Client
from apps.reports.algorithms.accounting import add_tallies
from apps.reports.sections.base import Draft
from apps.reports.sections.figures import Figure, draw_course
from apps.reports.sections.marks import list_marks
from apps.reports.sections.traffic import draw_traffic
from apps.reports.sections.wording import (
    write_availability,
    write_count,
    write_rest,
    write_seconds,
    write_share,
)
from apps.reports.selectors.facts.gathering import Account
from apps.reports.selectors.facts.series import HOST_MEASURES

MOST_CLIENTS = 10


class Clients:
    title = gettext_lazy("Clients")

    def build(self, draft: Draft) -> Mapping[str, Any] | None:
        clients = draft.facts.clients
        if not clients:
            return None
        return {
            "clients": [describe_client(draft, one) for one in clients[:MOST_CLIENTS]],
            "left_out": write_rest(len(clients) - MOST_CLIENTS),
        }


def describe_client(draft: Draft, client: Client) -> dict[str, Any]:
    facts = draft.facts
    accounts = [one for one in facts.accounts if one.assignment.client_id == client.id]
    total = add_tallies(one.tally for one in accounts)
    return {
        "name": client.name,
        "rows": describe_identity(client),
        "availability": write_availability(total.availability),
        "coverage": write_share(total.coverage),
        "tests": [describe_test(draft, one) for one in accounts],
        "figures": draw_figures(draft, client, accounts),
    }


def describe_identity(client: Client) -> list[tuple[str, str]]:
    """Name and value of what is known of the host."""
    interfaces = ", ".join(
        address for one in client.interfaces.all() for address in one.addresses[:2]
    )
    rows = [
        (_("Site"), client.site.name if client.site else ""),
        (_("Tags"), ", ".join(tag.name for tag in client.tags.all())),
        (_("Host name"), client.hostname),
        (_("System"), client.operating_system),
        (_("Addresses"), interfaces),
        (_("Agent"), client.agent_version),
    ]
    return [(name, value) for name, value in rows if value]


def describe_test(draft: Draft, account: Account) -> dict[str, str]:
    return {
        "name": account.assignment.test.name,
        "availability": write_availability(account.tally.availability),
        "coverage": write_share(account.tally.coverage),
        "latency": write_seconds(draft.facts.latency_means.get(account.assignment.id)),
        "incidents": write_count(len(account.incidents)),
    }


def draw_figures(draft: Draft, client: Client, accounts: list[Account]) -> list[Figure]:
    """Latency of its tests first, then the traffic and the host."""
    figures = [draw_latency(draft, one) for one in accounts]
    figures.append(draw_traffic(draft, [client.id]))
    for key, title in HOST_MEASURES.items():
        course = draft.facts.draw_host(client.id, key)
        if course is not None:
            figures.append(
                draw_course(
                    draft,
                    title=str(title),
                    style="ratio",
                    courses=[(str(title), course)],
                    what=_("Line: mean; band: least to most."),
                )
            )
    return [one for one in figures if one is not None]


def draw_latency(draft: Draft, account: Account) -> Figure | None:
    assignment = account.assignment
    course = draft.facts.draw_assignment(assignment, "latency")
    if course is None:
        return None
    return draw_course(
        draft,
        title=_("Latency of %(test)s") % {"test": assignment.test.name},
        style="duration",
        courses=[(_("Latency"), course)],
        what=_("Line: mean; band: least to most."),
        marks=list_marks(draft, {assignment.id}),
    )
