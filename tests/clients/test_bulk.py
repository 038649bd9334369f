"""One action on many clients: each for itself, with a report of what was refused."""

from functools import partial

import pytest

from apps.accounts.models import AuditEntry
from apps.clients.models import Client, Key
from apps.clients.selectors import list_clients, require_place
from apps.clients.services import (
    MAXIMUM_CLIENTS,
    BulkAction,
    act_on_clients,
    change_client,
    delete_client,
)
from apps.core.errors import Invalid, Refused
from tests.factories.accounts import make_user
from tests.factories.clients import make_client, make_key, make_site, make_tag

pytestmark = pytest.mark.django_db


def allow(_site, _tags):
    """Everything lies in the user's hands."""


def act(name, check_place=allow, clients=None, **needs):
    chosen = list(Client.objects.order_by("name")) if clients is None else clients
    return act_on_clients(clients=chosen, action=BulkAction(name, **needs), check_place=check_place)


def read_tags():
    return {
        client.name: sorted(tag.slug for tag in client.tags.all())
        for client in Client.objects.filter(deleted_at=None)
    }


def test_tags_are_added_and_taken_off():
    make_client("a", tags=["edge"])
    make_client("b")
    new = [make_tag("new"), make_tag("edge")]
    assert act("add_tags", tags=new).done == 2
    assert read_tags() == {"a": ["edge", "new"], "b": ["edge", "new"]}
    act("remove_tags", tags=[make_tag("edge")])
    assert read_tags() == {"a": ["new"], "b": ["new"]}


def test_only_what_changes_is_written_down():
    make_client("a", tags=["edge"])
    make_client("b")
    assert act("add_tags", tags=[make_tag("edge")]).done == 2
    assert [entry.object_label for entry in AuditEntry.objects.all()] == ["b"]


def test_a_site_is_set_and_taken_away():
    make_client("a", site="vienna")
    make_client("b")
    act("set_site", site=make_site("graz"))
    assert set(Client.objects.values_list("site__slug", flat=True)) == {"graz"}
    act("set_site", site=None)
    assert not Client.objects.exclude(site=None).exists()


def test_keys_are_revoked_and_clients_deleted():
    for name in ("a", "b"):
        make_key(make_client(name))
    act("revoke_keys")
    assert not Key.objects.filter(revoked_at=None).exists()
    act("delete", clients=list(Client.objects.filter(name="a")))
    assert [client.name for client in list_clients(make_user("ann", "admin"))] == ["b"]


def test_a_refusal_leaves_that_client_and_does_the_others():
    make_client("a", site="vienna")
    make_client("b", site="graz")
    ann = make_user("ann", "operator", site="vienna")
    report = act("add_tags", partial(require_place, ann), tags=[make_tag("edge")])
    assert (report.done, [row.client.name for row in report.refused]) == (1, ["b"])
    assert (report.refused[0].code, bool(report.refused[0].detail)) == ("refused", True)
    assert read_tags() == {"a": ["edge"], "b": []}


def test_a_refusal_in_the_middle_undoes_that_client_only(monkeypatch):
    make_client("a")
    make_client("b")

    def check(_site, tags):
        raise Refused("refused", f"no {len(tags)}")

    assert act("add_tags", check, tags=[make_tag("edge")]).done == 0
    assert read_tags() == {"a": [], "b": []}
    assert not AuditEntry.objects.exists()


def test_what_changed_since_the_list_was_read_stays():
    probe = make_client("old", site="vienna")
    stale = list(Client.objects.prefetch_related("tags"))
    change_client(client=probe, name="new", site=make_site("graz"), tags=[make_tag("core")])
    assert act("add_tags", clients=stale, tags=[make_tag("edge")]).done == 1
    assert read_tags() == {"new": ["core", "edge"]}
    assert Client.objects.get().site.slug == "graz"


@pytest.mark.parametrize("name", ["add_tags", "revoke_keys", "delete"])
def test_a_client_that_left_the_users_hands_meanwhile_is_refused(name):
    probe = make_client("a", site="vienna")
    make_key(probe)
    stale = [Client.objects.select_related("site").get()]
    change_client(client=probe, site=make_site("graz"))
    ann = make_user("ann", "operator", site="vienna")
    report = act(name, partial(require_place, ann), clients=stale, tags=[make_tag("edge")])
    assert [row.code for row in report.refused] == ["refused"]
    assert Key.objects.filter(revoked_at=None).exists()
    assert read_tags() == {"a": []}


def test_a_client_that_was_deleted_meanwhile_is_refused():
    gone, kept = make_client("gone"), make_client("kept")
    delete_client(client=gone)
    report = act("add_tags", clients=[gone, kept], tags=[make_tag("edge")])
    assert (report.done, [row.code for row in report.refused]) == (1, ["client_unknown"])
    assert not gone.tags.exists()


@pytest.mark.parametrize("count", [0, MAXIMUM_CLIENTS + 1])
def test_none_or_too_many_are_refused_with_the_limit(count):
    with pytest.raises(Invalid) as caught:
        act("revoke_keys", clients=[Client()] * count)
    assert caught.value.errors[0].field == "clients"
    assert "1000" in caught.value.detail


@pytest.mark.parametrize(
    ("name", "field"), [("explode", "action"), ("add_tags", "tags"), ("remove_tags", "tags")]
)
def test_an_action_that_there_is_not_or_that_lacks_something_names_its_field(name, field):
    make_client()
    with pytest.raises(Invalid) as caught:
        act(name)
    assert caught.value.errors[0].field == field
