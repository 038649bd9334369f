"""What a user may do and where: allow, deny, and the two together."""

from itertools import product

import pytest
from django.contrib.auth.models import AnonymousUser
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.policy import (
    EVERYTHING,
    NOTHING,
    Permission,
    Place,
    Scope,
    find_scope,
    may,
    require,
)
from apps.clients.models import Client
from apps.clients.selectors import covers_client, list_clients
from apps.core.errors import NotAuthenticated, Refused
from tests.factories.accounts import deny, grant, make_user
from tests.factories.clients import make_client

VIEW, OPERATE, ADMINISTER = Permission


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "permissions"),
    [
        ("", set()),
        ("viewer", {VIEW}),
        ("operator", {VIEW, OPERATE}),
        ("admin", {VIEW, OPERATE, ADMINISTER}),
    ],
)
def test_a_role_holds_its_permissions_and_no_more(role, permissions):
    user = make_user("somebody", role)
    assert {item for item in Permission if may(user, item)} == permissions


@pytest.mark.django_db
def test_without_a_role_or_a_session_nothing_is_allowed():
    assert find_scope(AnonymousUser(), VIEW) == NOTHING
    inactive = make_user("left", "admin")
    inactive.is_active = False
    assert find_scope(inactive, VIEW) == NOTHING
    with pytest.raises(NotAuthenticated):
        require(AnonymousUser(), VIEW)
    with pytest.raises(Refused):
        require(make_user("new"), VIEW)


@pytest.mark.django_db
def test_djangos_own_flags_give_nothing():
    user = make_user("flags", is_staff=True)
    user.is_superuser = True
    user.save()
    assert not may(user, VIEW)


@pytest.mark.django_db
def test_a_permission_everywhere_is_more_than_one_somewhere():
    local = make_user("local", "operator", site="vienna")
    assert not require(local, OPERATE).is_everything
    with pytest.raises(Refused):
        require(local, OPERATE, is_everywhere=True)
    assert require(make_user("all", "operator"), OPERATE, is_everywhere=True) == EVERYTHING


@pytest.fixture
def clients():
    make_client("vienna-edge", site="vienna", tags=["edge"])
    make_client("vienna-core", site="vienna", tags=["core"])
    make_client("berlin-edge", site="berlin", tags=["edge"])
    make_client("nowhere")


def names(user, permission=VIEW):
    return {client.name for client in list_clients(user, permission)}


@pytest.mark.django_db
@pytest.mark.usefixtures("clients")
@pytest.mark.parametrize(
    ("place", "seen"),
    [
        ({}, {"vienna-edge", "vienna-core", "berlin-edge", "nowhere"}),
        ({"site": "vienna"}, {"vienna-edge", "vienna-core"}),
        ({"tag": "edge"}, {"vienna-edge", "berlin-edge"}),
        ({"site": "vienna", "tag": "edge"}, {"vienna-edge"}),
        ({"site": "atlantis"}, set()),
    ],
)
def test_a_role_reaches_the_clients_of_its_place(place, seen):
    assert names(make_user("somebody", "viewer", **place)) == seen


@pytest.mark.django_db
@pytest.mark.usefixtures("clients")
@pytest.mark.parametrize(
    ("place", "seen"),
    [
        ({"site": "vienna"}, {"berlin-edge", "nowhere"}),
        ({"tag": "edge"}, {"vienna-core", "nowhere"}),
        ({"site": "vienna", "tag": "edge"}, {"vienna-core", "berlin-edge", "nowhere"}),
        ({}, set()),
    ],
)
def test_a_denial_wins_over_every_permission(place, seen):
    user = make_user("somebody", "admin")
    grant(user, "viewer", site="vienna")
    deny(user, "viewer", **place)
    assert names(user) == seen
    assert names(user, OPERATE) == seen


@pytest.mark.django_db
@pytest.mark.usefixtures("clients")
def test_denying_to_operate_leaves_looking():
    user = make_user("somebody", "operator")
    deny(user, "operator", site="vienna")
    assert names(user) == {"vienna-edge", "vienna-core", "berlin-edge", "nowhere"}
    assert names(user, OPERATE) == {"berlin-edge", "nowhere"}


@pytest.mark.django_db
@pytest.mark.usefixtures("clients")
def test_two_roles_reach_what_either_reaches():
    user = make_user("somebody", "viewer", site="berlin")
    grant(user, "operator", tag="core")
    assert names(user) == {"berlin-edge", "vienna-core"}
    assert names(user, OPERATE) == {"vienna-core"}


places = st.builds(Place, st.sampled_from(["", "a", "b"]), st.sampled_from(["", "x", "y"]))


sites = st.sampled_from(["", "a", "b"])
tag_sets = st.sets(st.sampled_from("xy"))


@given(st.lists(places), st.lists(places), sites, tag_sets)
def test_whatever_is_denied_is_never_covered(allowed, denied, site, tags):
    scope = Scope(tuple(allowed), tuple(denied))
    covered = scope.covers(site, tags)
    assert covered == (
        any(place.holds(site, tags) for place in allowed)
        and not any(place.holds(site, tags) for place in denied)
    )
    if scope.is_everything:
        assert covered
    if scope.is_empty:
        assert not covered


@pytest.mark.django_db
def test_the_database_and_the_scope_agree_on_every_client():
    combinations = product(["", "a", "b"], [(), ("x",), ("y",), ("x", "y")])
    for number, (site, tags) in enumerate(combinations):
        make_client(f"client-{number}", site=site, tags=tags)
    everyone = list(Client.objects.select_related("site").prefetch_related("tags"))
    choices = [("", ""), ("a", ""), ("", "x"), ("a", "x"), ("b", "y")]
    for number, (allowed, denied) in enumerate(product(choices, [None, *choices])):
        user = make_user(f"user-{number}", "viewer", site=allowed[0], tag=allowed[1])
        if denied is not None:
            deny(user, "viewer", site=denied[0], tag=denied[1])
        scope = find_scope(user, VIEW)
        assert names(user) == {row.name for row in everyone if covers_client(scope, row)}


@pytest.mark.django_db
def test_the_roles_are_read_once_for_a_user(django_assert_num_queries):
    user = make_user("somebody", "operator", site="vienna")
    with django_assert_num_queries(1):
        assert may(user, VIEW)
        assert may(user, OPERATE)
