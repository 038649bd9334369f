"""Clients, sites and tags as operators change them."""

from functools import partial

import pytest

from apps.accounts.models import AuditEntry, Invitation
from apps.accounts.policy import Permission
from apps.accounts.services import Grant, invite, revoke_invitation
from apps.clients.models import Client, Interface, Site
from apps.clients.selectors import (
    count_presence,
    list_enrolment_tokens,
    list_sites,
    list_tags,
    pick_clients,
    require_place,
)
from apps.clients.services import (
    apply_inventory,
    change_client,
    change_site,
    create_site,
    delete_client,
    delete_site,
    delete_tag,
    delete_window,
)
from apps.core.clock import read_now
from apps.core.errors import Conflict, Invalid, NotFound, Refused
from tests.factories.accounts import deny, make_user
from tests.factories.clients import (
    INVENTORY,
    make_client,
    make_enrolment,
    make_site,
    make_tag,
)
from tests.factories.maintenance import make_window, select
from tests.factories.tests import make_test

pytestmark = pytest.mark.django_db

NO_PEERS = {"peer_address": "", "link_group": ""}


def test_a_change_is_written_down_with_before_and_after():
    probe = make_client(site="vienna", tags=["edge"])
    change_client(client=probe, name=" new ", site=None, tags=[make_tag("core")])
    entry = AuditEntry.objects.get()
    before = {"name": "probe-1", "site": "vienna", "tags": ["edge"], **NO_PEERS}
    assert entry.before == before
    assert entry.after == {"name": "new", "site": None, "tags": ["core"], **NO_PEERS}


def test_only_what_is_asked_for_is_written():
    probe = make_client("old", site="vienna", tags=["edge"])
    stale = Client.objects.get(id=probe.id)
    change_client(client=probe, name="new", site=make_site("graz"))
    change_client(client=stale, tags=[make_tag("core")])
    entry = AuditEntry.objects.first()
    assert entry.before == {"name": "new", "site": "graz", "tags": ["edge"], **NO_PEERS}
    assert entry.after == {"name": "new", "site": "graz", "tags": ["core"], **NO_PEERS}
    assert Client.objects.get().name == "new"


def test_a_client_deleted_meanwhile_is_neither_changed_nor_deleted_again():
    probe = make_client("old")
    stale = Client.objects.get(id=probe.id)
    delete_client(client=probe)
    with pytest.raises(NotFound):
        change_client(client=stale, name="old")
    with pytest.raises(NotFound):
        delete_client(client=stale)
    assert make_client("old").name == "old"
    assert AuditEntry.objects.count() == 1


def test_a_change_asks_for_the_place_that_the_client_has_by_now():
    probe = make_client(site="vienna")
    stale = Client.objects.select_related("site").get()
    change_client(client=probe, site=make_site("graz"))
    local = make_user("local", "operator", site="vienna")
    for changes in ({"name": "mine"}, {"site": make_site("vienna")}):
        with pytest.raises(Refused):
            change_client(client=stale, check_place=partial(require_place, local), **changes)
    assert Client.objects.get().name == "probe-1"


@pytest.mark.parametrize("name", ["", "   ", "x" * 101])
def test_a_client_needs_a_name_of_sensible_length(name):
    with pytest.raises(Invalid):
        change_client(client=make_client(), name=name, site=None, tags=[])


def test_two_clients_never_share_a_name():
    make_client("taken")
    with pytest.raises(Conflict):
        change_client(client=make_client("other"), name="taken", site=None, tags=[])


def test_an_inventory_replaces_the_interfaces():
    probe = make_client()
    apply_inventory(client=probe, inventory=INVENTORY)
    changed = {**INVENTORY["interfaces"][0], "mtu_bytes": 9000}
    other = {**changed, "name": "eth1"}
    apply_inventory(client=probe, inventory={**INVENTORY, "interfaces": [changed, other]})
    assert dict(Interface.objects.values_list("name", "mtu_bytes")) == {"eth0": 9000, "eth1": 9000}
    apply_inventory(client=probe, inventory={**INVENTORY, "interfaces": [other]})
    assert [row.name for row in Interface.objects.all()] == ["eth1"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"slug": "two words"}, "slug"),
        ({"slug": ""}, "slug"),
        ({"name": "x" * 101}, "name"),
        ({"latitude": 91.0}, "latitude"),
        ({"latitude": float("nan"), "longitude": 0.0}, "latitude"),
        ({"longitude": -181.0}, "longitude"),
        ({"latitude": 48.2}, "longitude"),
        ({"longitude": 16.4}, "latitude"),
    ],
)
def test_a_wrong_site_names_its_field(fields, field):
    with pytest.raises(Invalid) as caught:
        create_site(**{"slug": "vienna", "name": "Vienna", **fields})
    assert {error.field for error in caught.value.errors} == {field}
    assert not Site.objects.exists()


def test_a_site_that_is_used_stays():
    site = make_site()
    make_client(site="vienna")
    with pytest.raises(Conflict):
        delete_site(site=site)


def test_a_place_that_a_role_names_stays_lest_a_denial_lapse():
    user = make_user("ann", "viewer", site="vienna")
    deny(user, "viewer", tag="secret")
    with pytest.raises(Conflict):
        delete_site(site=make_site())
    with pytest.raises(Conflict):
        delete_tag(tag=make_tag("secret"))


@pytest.mark.parametrize("is_expired", [False, True])
def test_a_place_that_an_open_invitation_names_stays(is_expired):
    sites, tags = make_site("graz"), make_tag("edge")
    grants = [Grant("viewer", site_slug="graz"), Grant("operator", tag_slug="edge")]
    invitation, _secret = invite(email="ann@example.org", grants=grants, invited_by=None)
    if is_expired:
        Invitation.objects.update(expires_at=read_now())
    for delete in (partial(delete_site, site=sites), partial(delete_tag, tag=tags)):
        with pytest.raises(Conflict) as caught:
            delete()
        assert caught.value.code == "named_by_invitation"
    revoke_invitation(invitation=invitation)
    delete_site(site=sites)
    delete_tag(tag=tags)


def test_a_place_that_a_window_or_a_test_selects_stays_and_they_are_named():
    site, tag = make_site("graz"), make_tag("edge")
    window = make_window("Night work", selector=select(sites=["graz"]))
    test = make_test("Ping all", selection_kind="all", selector=select(tags=["edge"]))
    for delete, name in (
        (partial(delete_site, site=site), "Night work"),
        (partial(delete_tag, tag=tag), "Ping all"),
    ):
        with pytest.raises(Conflict) as caught:
            delete()
        assert (caught.value.code, name in caught.value.detail) == ("named_by_selection", True)
    delete_window(window=window)
    test.delete()
    delete_site(site=site)
    delete_tag(tag=tag)


def test_many_that_name_a_place_are_cut_short():
    site = make_site("graz")
    for number in range(7):
        make_window(f"w{number}", selector=select(sites=["graz"]))
    with pytest.raises(Conflict) as caught:
        delete_site(site=site)
    assert "'w4' and 2 more" in caught.value.detail


def test_a_site_keeps_its_position_when_a_new_one_is_wrong():
    site = create_site(slug="vienna", name="Vienna", latitude=-90.0, longitude=180.0)
    with pytest.raises(Invalid) as caught:
        change_site(site=site, name="Vienna", latitude=90.1, longitude=0.0)
    assert "90 degrees" in caught.value.detail
    assert Site.objects.values_list("latitude", "longitude").get() == (-90.0, 180.0)


def test_a_site_changes_all_but_its_slug():
    site = make_site()
    change_site(site=site, name="Wien", latitude=48.2, longitude=16.4)
    assert Site.objects.values_list("slug", "name", "latitude").get() == ("vienna", "Wien", 48.2)


def slugs(rows):
    return {row.slug for row in rows}


def test_sites_and_tags_are_seen_through_clients_and_roles():
    for site, tag in (("vienna", "edge"), ("berlin", "core")):
        make_client(f"{site}-{tag}", site=site, tags=[tag])
    make_site("empty")
    make_tag("unused")
    local = make_user("local", "viewer", site="vienna")
    assert (slugs(list_sites(local)), slugs(list_tags(local))) == ({"vienna"}, {"edge"})
    hopeful = make_user("hopeful", "viewer", site="empty")
    assert slugs(list_sites(hopeful)) == {"empty"}
    everywhere = make_user("all", "viewer")
    assert slugs(list_sites(everywhere)) == {"vienna", "berlin", "empty"}
    barred = make_user("barred", "viewer")
    deny(barred, "viewer", site="berlin")
    assert slugs(list_sites(barred)) == {"vienna", "empty"}
    assert slugs(list_tags(barred)) == {"edge", "core", "unused"}
    assert not list_sites(make_user("nobody"))


def test_nobody_pushes_a_client_out_of_the_hands_of_others():
    vienna, berlin, secret = make_site("vienna"), make_site("berlin"), make_tag("secret")
    local = make_user("local", "operator", site="vienna")
    deny(local, "operator", tag="secret")
    require_place(local, vienna, [])
    for site, tags in ((berlin, []), (None, []), (vienna, [secret])):
        with pytest.raises(Refused):
            require_place(local, site, tags)


def test_enrolment_tokens_are_seen_by_who_operates_their_place():
    make_enrolment(name="here", site=make_site("vienna"))
    make_enrolment(name="there", site=make_site("berlin"))
    make_enrolment(name="anywhere")
    local = make_user("local", "operator", site="vienna")
    assert [token.name for token in list_enrolment_tokens(local)] == ["here"]
    assert not list_enrolment_tokens(make_user("viewer", "viewer"))
    assert list_enrolment_tokens(make_user("all", "operator")).count() == 3


def test_clients_are_picked_only_from_the_own_hands():
    mine, other = make_client("mine", site="vienna"), make_client("other", site="berlin")
    local = make_user("local", "operator", site="vienna")
    assert pick_clients(local, [mine.id]) == [mine]
    with pytest.raises(Invalid) as caught:
        pick_clients(local, [mine.id, other.id], Permission.OPERATE)
    assert str(other.id) in caught.value.detail


def test_presences_are_counted_in_the_own_scope():
    make_client("a", site="vienna", presence="online")
    make_client("b", site="vienna")
    make_client("c", site="berlin", presence="online")
    counts = count_presence(make_user("local", "viewer", site="vienna"))
    assert counts == {"never": 1, "online": 1, "late": 0, "offline": 0}
