"""Who runs a test and why, in words, and how that came to be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.accounts.models import AuditEntry
from apps.accounts.policy import AnyUser
from apps.clients.algorithms.selector import parse_selector
from apps.clients.models import Client, Site, Tag
from apps.clients.selectors import list_clients
from apps.tests.models import Test

MOVES_SHOWN = 10
NAMES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Move:
    """Clients that came to run a test, and clients that ceased to, at one moment."""

    at: datetime
    actor: str
    came: str
    went: str
    reason: str


def describe_selection(test: Test) -> str:
    """Who is to run the test, as "any 3 clients at Vienna or Berlin with the tag edge"."""
    if test.selection_kind == Test.SelectionKind.CLIENTS:
        return _("the clients chosen by hand")
    if test.selection_kind == Test.SelectionKind.ANY:
        count = test.wanted_clients or 0
        whom = ngettext("any %(count)d client", "any %(count)d clients", count) % {"count": count}
    else:
        whom = _("all clients")
    return f"{whom} {describe_places(test)}".strip()


def describe_pairs(test: Test) -> str:
    """Which of them measure to each other, as "star: from the hub probe-1 to each"."""
    if not test.topology:
        return ""
    is_both = test.directions == Test.Directions.BOTH
    if test.topology == Test.Topology.MESH:
        return _("mesh: each to each") if is_both else _("mesh: each two once")
    hub = test.hub.name if test.hub else _("a deleted client")
    if test.topology == Test.Topology.PAIR:
        words = {
            Test.Directions.OUT: _("pair, from %(hub)s"),
            Test.Directions.BACK: _("pair, to %(hub)s"),
            Test.Directions.BOTH: _("pair with %(hub)s, both ways"),
        }
        return words[Test.Directions(test.directions)] % {"hub": hub}
    words = {
        Test.Directions.OUT: _("from %(hub)s to each"),
        Test.Directions.BACK: _("from each to %(hub)s"),
        Test.Directions.BOTH: _("between %(hub)s and each, both ways"),
    }
    return words[Test.Directions(test.directions)] % {"hub": hub}


def describe_places(test: Test) -> str:
    selector = parse_selector(test.selector)
    sites = dict(Site.objects.filter(slug__in=selector.sites).values_list("slug", "name"))
    tags = dict(Tag.objects.filter(slug__in=selector.tags).values_list("slug", "name"))
    parts = []
    if selector.sites:
        names = _(" or ").join(sorted(sites.get(slug, slug) for slug in selector.sites))
        parts.append(_("at %(sites)s") % {"sites": names})
    if selector.tags:
        names = _(" and ").join(sorted(tags.get(slug, slug) for slug in selector.tags))
        parts.append(_("tagged %(tags)s") % {"tags": names})
    if selector.client_ids:
        count = Client.objects.filter(id__in=selector.client_ids).count()
        text = ngettext("of %(count)d named", "of %(count)d named", count) % {"count": count}
        parts.append(_("or %(clients)s") % {"clients": text} if parts else text)
    return " ".join(parts)


def list_moves(user: AnyUser, test: Test) -> list[Move]:
    """The last times that the test changed hands; clients that `user` cannot see are only counted.

    One query for the entries and one for the names.
    """
    entries = list(
        AuditEntry.objects.filter(
            object_type="test", object_id=str(test.id), action="assign"
        ).order_by("-id")[:MOVES_SHOWN]
    )
    named = {name for entry in entries for name in (*read_names(entry, 0), *read_names(entry, 1))}
    visible = set(list_clients(user).order_by().filter(name__in=named).values_list("name"))
    return [
        Move(
            at=entry.at,
            actor=entry.actor_label,
            came=write_names(read_names(entry, 1), visible),
            went=write_names(read_names(entry, 0), visible),
            reason=entry.after.get("reason", ""),
        )
        for entry in entries
    ]


def read_names(entry: AuditEntry, side: int) -> list[str]:
    return list((entry.before, entry.after)[side].get("clients", []))


def write_names(names: Sequence[str], visible: set[tuple[str]]) -> str:
    shown = [name for name in names if (name,) in visible][:NAMES_SHOWN]
    rest = len(names) - len(shown)
    if rest:
        shown.append(ngettext("%(count)d other", "%(count)d others", rest) % {"count": rest})
    return ", ".join(shown)
