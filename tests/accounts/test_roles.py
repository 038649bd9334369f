"""Roles: who may give them, what overlapping ones come to, and that an administrator stays."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.models import AuditEntry, Role, User
from apps.accounts.policy import ROLE_PERMISSIONS, Permission, find_scope
from apps.accounts.selectors import is_administrator, list_administrators
from apps.accounts.services import (
    Grant,
    add_role,
    deactivate_user,
    delete_user,
    remove_role,
    set_roles,
)
from apps.clients.selectors import list_clients
from apps.core.errors import Conflict, Invalid, NotFound
from apps.dashboard.selectors.users import describe_effect, load_place_names
from tests.factories.accounts import make_user
from tests.factories.clients import make_client, make_site, make_tag
from tests.factories.threads import run_together

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

SITES, TAGS = ("vienna", "graz"), ("edge", "core")
PLACES = [
    (site, tags)
    for site in (*SITES, "")
    for count in range(len(TAGS) + 1)
    for tags in itertools.combinations(TAGS, count)
]
NAMES = ("viewer", "operator", "admin")
GRANTS = st.builds(
    Grant,
    name=st.sampled_from(NAMES),
    effect=st.sampled_from(("allow", "deny")),
    site_slug=st.sampled_from(("", *SITES)),
    tag_slug=st.sampled_from(("", *TAGS)),
)


def holds_naively(grants, permission, site, tags):
    """The rule in its plainest form: some role gives it there, and none takes it there."""
    level = list(Permission).index(permission)
    here = [
        grant
        for grant in grants
        if grant.site_slug in {"", site} and (not grant.tag_slug or grant.tag_slug in tags)
    ]
    given_here = any(
        grant.effect == "allow" and permission in ROLE_PERMISSIONS[grant.name] for grant in here
    )
    taken_here = any(grant.effect == "deny" and level >= NAMES.index(grant.name) for grant in here)
    return given_here and not taken_here


@given(st.lists(GRANTS, max_size=6))
def test_overlapping_roles_come_to_what_the_plain_rule_says(grants):
    user = User(username="ann")
    user._policy_roles = [Role(**grant.as_document()) for grant in grants]
    for permission in Permission:
        scope = find_scope(user, permission)
        for site, tags in PLACES:
            expected = holds_naively(grants, permission, site, tags)
            assert scope.covers(site, tags) == expected, (grants, permission, site, tags)


@pytest.fixture
def landscape():
    """A client at every combination of site and tags."""
    for slug in SITES:
        make_site(slug)
    for slug in TAGS:
        make_tag(slug)
    return {
        make_client(f"{site}-{'-'.join(tags)}", site=site or None, tags=list(tags)): (site, tags)
        for site, tags in PLACES
    }


@pytest.mark.parametrize("seed", range(12))
def test_the_clients_that_are_seen_are_those_of_the_plain_rule(landscape, seed):
    every = [
        Grant(name, effect, site, tag)
        for name in NAMES
        for effect in ("allow", "deny")
        for site in ("", *SITES)
        for tag in ("", *TAGS)
    ]
    grants = every[seed::13][:4]
    user = make_user("ann")
    set_roles(user=user, grants=grants)
    for permission in Permission:
        seen = set(list_clients(user, permission))
        assert seen == {
            client
            for client, (site, tags) in landscape.items()
            if holds_naively(grants, permission, site, tags)
        }


def test_the_preview_counts_what_the_policy_gives(landscape):
    user = make_user("ann")
    set_roles(
        user=user,
        grants=[Grant("operator", site_slug="vienna"), Grant("operator", "deny", tag_slug="core")],
    )
    effect = describe_effect(user, load_place_names())
    assert [(row.permission, row.client_count, row.client_total) for row in effect.rows] == [
        ("See", 4, 12),
        ("Operate", 2, 12),
        ("Administer", 0, 12),
    ]
    assert effect.rows[1].denied == ("tag Core",)
    vienna = next(row for row in effect.sites if row.name == "Vienna")
    assert (vienna.client_total, vienna.counts) == (4, (4, 2, 0))


@given(st.lists(st.tuples(st.booleans(), st.lists(GRANTS, max_size=3)), max_size=1))
def test_the_query_for_administrators_agrees_with_the_policy(people):
    User.objects.all().delete()
    for number, (is_active, grants) in enumerate(people):
        user = User.objects.create(username=f"u{number}", is_active=is_active)
        for grant in set(grants):
            Role.objects.create(user=user, **grant.as_document())
    for user in User.objects.all():
        expected = find_scope(user, Permission.ADMINISTER).is_everything
        assert list_administrators().filter(pk=user.pk).exists() == expected


def test_roles_are_set_audited_and_count_at_once():
    make_site("vienna")
    user = make_user("ann", "viewer")
    assert not find_scope(user, Permission.OPERATE).allowed
    set_roles(user=user, grants=[Grant("operator", site_slug="vienna")] * 2)
    assert [str(role) for role in user.roles.all()] == ["Allow Operator (vienna)"]
    assert find_scope(user, Permission.OPERATE).covers("vienna", ())
    entry = AuditEntry.objects.filter(action="change", object_type="user").get()
    assert entry.before == {"roles": ["Allow Viewer"]}
    assert entry.after == {"roles": ["Allow Operator (vienna)"]}


def test_roles_that_stay_the_same_leave_no_entry():
    user = make_user("ann", "viewer")
    set_roles(user=user, grants=[Grant("viewer")])
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    ("grant", "code"),
    [
        (Grant("king"), "unknown_role"),
        (Grant("viewer", "maybe"), "unknown_effect"),
        (Grant("viewer", site_slug="atlantis"), "unknown_site"),
        (Grant("viewer", "deny", tag_slug="atlantis"), "unknown_tag"),
    ],
)
def test_a_wrong_role_is_named(grant, code):
    user = make_user("ann")
    for change in (
        lambda: set_roles(user=user, grants=[grant]),
        lambda: add_role(user=user, grant=grant),
    ):
        with pytest.raises(Invalid) as caught:
            change()
        assert [(error.field, error.code) for error in caught.value.errors] == [("roles", code)]
    assert not user.roles.exists()


def test_more_roles_than_the_limit_are_refused():
    slugs = [f"site{number}" for number in range(101)]
    for slug in slugs:
        make_site(slug)
    with pytest.raises(Invalid, match="at most 100 roles, not 101"):
        set_roles(user=make_user("ann"), grants=[Grant("viewer", site_slug=slug) for slug in slugs])


def test_a_role_is_added_once_and_removed():
    user = make_user("ann")
    role = add_role(user=user, grant=Grant("viewer"))
    with pytest.raises(Conflict) as caught:
        add_role(user=user, grant=Grant("viewer"))
    assert caught.value.code == "role_exists"
    remove_role(user=user, role_id=role.pk)
    assert not user.roles.exists()
    with pytest.raises(NotFound):
        remove_role(user=user, role_id=role.pk)


def test_the_flag_of_the_admin_console_follows_the_roles():
    make_user("boss", "admin")
    user = make_user("ann")
    set_roles(user=user, grants=[Grant("admin")])
    assert User.objects.get(pk=user.pk).is_staff
    set_roles(user=user, grants=[Grant("admin"), Grant("viewer", "deny")])
    assert not User.objects.get(pk=user.pk).is_staff


LAST_DEEDS = {
    "stripped": lambda user: set_roles(user=user, grants=[]),
    "demoted": lambda user: set_roles(user=user, grants=[Grant("operator")]),
    "denied": lambda user: add_role(user=user, grant=Grant("viewer", "deny", "vienna")),
    "narrowed": lambda user: set_roles(user=user, grants=[Grant("admin", site_slug="vienna")]),
    "role removed": lambda user: remove_role(user=user, role_id=user.roles.get().pk),
    "deactivated": lambda user: deactivate_user(user=user),
    "deleted": lambda user: delete_user(user=user),
}


@pytest.mark.parametrize("name", LAST_DEEDS)
def test_the_last_administrator_stays(name):
    make_site("vienna")
    boss = make_user("boss", "admin")
    # Neither of these could take over.
    make_user("local", "admin", site="vienna")
    User.objects.filter(pk=make_user("gone", "admin").pk).update(is_active=False)
    before = AuditEntry.objects.count()
    with pytest.raises(Conflict) as caught:
        LAST_DEEDS[name](boss)
    assert caught.value.code == "last_admin"
    assert is_administrator(User.objects.get(username="boss"))
    assert AuditEntry.objects.count() == before


@pytest.mark.parametrize("name", LAST_DEEDS)
def test_one_of_two_administrators_may_go(name):
    make_site("vienna")
    boss = make_user("boss", "admin")
    make_user("other", "admin")
    LAST_DEEDS[name](boss)
    assert [user.username for user in list_administrators()] == ["other"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["deactivated", "deleted", "stripped"])
def test_two_administrators_cannot_remove_each_other_at_the_same_moment(name):
    users = [make_user("a", "admin"), make_user("b", "admin")]

    def remove(number):
        try:
            LAST_DEEDS[name](User.objects.get(pk=users[number].pk))
        except Conflict as error:
            return error.code
        return "done"

    assert sorted(run_together(2, remove)) == ["done", "last_admin"]
    assert list_administrators().count() == 1
