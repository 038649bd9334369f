"""Tag trees: what stands above what is always kept, and never a circle."""

import threading

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from apps.accounts.models import AuditEntry
from apps.clients.algorithms.tree import find_way_round, list_ancestors, list_subtree
from apps.clients.models import Tag
from apps.clients.selectors import build_tag_filter, list_clients
from apps.clients.services import change_tag, create_tag, delete_tag
from apps.core.errors import Conflict, Invalid
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.threads import run_together


def read_lineages():
    return {
        tag.slug: {above.slug for above in tag.lineage.all()}
        for tag in Tag.objects.prefetch_related("lineage")
    }


def walk_lineages():
    """What stands above each tag, found by going up from parent to parent."""
    found = {}
    for tag in Tag.objects.select_related("parent"):
        above, found[tag.slug] = tag.parent_id, set()
        while above is not None:
            parent = Tag.objects.get(id=above)
            found[tag.slug].add(parent.slug)
            above = parent.parent_id
    return found


def plant(*pairs):
    """Tags by their slugs, each below the one named with it."""
    tags = {}
    for slug, parent in pairs:
        tags[slug] = create_tag(slug=slug, name=slug, parent=tags.get(parent))
    return tags


@pytest.mark.django_db
def test_a_tag_knows_everything_above_it():
    plant(("world", None), ("europe", "world"), ("vienna", "europe"), ("asia", "world"))
    assert read_lineages() == {
        "world": set(),
        "europe": {"world"},
        "vienna": {"europe", "world"},
        "asia": {"world"},
    }


@pytest.mark.django_db
def test_a_moved_tag_takes_everything_below_along():
    tags = plant(("a", None), ("b", "a"), ("c", "b"), ("d", "c"), ("z", None))
    change_tag(tag=tags["b"], name="B", parent=tags["z"])
    assert read_lineages()["d"] == {"c", "b", "z"}
    change_tag(tag=tags["b"], name="B", parent=None)
    assert read_lineages()["d"] == {"c", "b"}
    entry = AuditEntry.objects.first()
    assert (entry.before["parent"], entry.after["parent"]) == ("z", None)


@pytest.mark.django_db
def test_a_tag_below_itself_is_refused_with_the_way_round():
    tags = plant(("a", None), ("b", "a"), ("c", "b"))
    before = read_lineages()
    with pytest.raises(Invalid) as caught:
        change_tag(tag=tags["a"], name="A", parent=tags["c"])
    assert [(error.field, error.code) for error in caught.value.errors] == [("parent", "cycle")]
    assert "a < c < b < a" in caught.value.detail
    with pytest.raises(Invalid) as caught:
        change_tag(tag=Tag.objects.get(slug="b"), name="B", parent=tags["b"])
    assert "b < b" in caught.value.detail
    assert read_lineages() == before


@pytest.mark.django_db
def test_a_parent_that_was_deleted_meanwhile_is_refused():
    gone = create_tag(slug="gone", name="gone")
    kept = Tag(id=gone.id, slug="gone", name="gone")
    delete_tag(tag=gone)
    with pytest.raises(Invalid) as caught:
        create_tag(slug="new", name="new", parent=kept)
    assert caught.value.errors[0].field == "parent"


@pytest.mark.django_db
def test_a_tag_with_others_below_it_stays():
    tags = plant(("a", None), ("b", "a"))
    with pytest.raises(Conflict) as caught:
        delete_tag(tag=tags["a"])
    assert (caught.value.code, "b" in caught.value.detail) == ("tag_has_children", True)
    delete_tag(tag=tags["b"])
    delete_tag(tag=tags["a"])
    assert not Tag.objects.exists()


@pytest.mark.django_db
def test_who_selects_a_tag_also_selects_what_is_tagged_below_it():
    plant(("europe", None), ("vienna", "europe"), ("asia", None))
    make_client("here", tags=["vienna"])
    make_client("there", tags=["asia"])
    ann = make_user("ann", "viewer", tag="europe")
    assert [client.name for client in list_clients(ann)] == ["here"]
    everyone = list_clients(make_user("all", "viewer"))
    assert [c.name for c in everyone.filter(build_tag_filter("europe"))] == ["here"]


@pytest.mark.django_db(transaction=True)
def test_two_changes_at_once_never_close_a_circle():
    tags = plant(("a", None), ("b", None))
    start = threading.Barrier(2)

    def move(number):
        one, other = ("a", "b") if number else ("b", "a")
        tag, parent = Tag.objects.get(slug=one), tags[other]
        start.wait(timeout=20)
        try:
            change_tag(tag=tag, name=one, parent=parent)
        except Invalid:
            return "refused"
        finally:
            connection.close()
        return "moved"

    assert sorted(run_together(2, move)) == ["moved", "refused"]
    assert read_lineages() == walk_lineages()


class RandomTrees(TestCase):
    """However tags are planted, moved and removed, the kept lineage is the walked one."""

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["create", "move", "delete"]),
                st.integers(0, 7),
                st.none() | st.integers(0, 7),
            ),
            max_size=25,
        )
    )
    def test_the_kept_lineage_is_the_walked_one(self, steps):
        Tag.objects.all().update(parent=None)
        Tag.objects.all().delete()
        for verb, number, parent_number in steps:
            tag = Tag.objects.filter(slug=f"t{number}").first()
            parent = Tag.objects.filter(slug=f"t{parent_number}").first()
            try:
                if verb == "create" and tag is None:
                    create_tag(slug=f"t{number}", name="x", parent=parent)
                elif verb == "move" and tag is not None:
                    change_tag(tag=tag, name="x", parent=parent)
                elif verb == "delete" and tag is not None:
                    delete_tag(tag=tag)
            except (Invalid, Conflict):
                continue
            assert read_lineages() == walk_lineages()


def test_ancestors_and_subtrees_of_a_plain_tree():
    parents = {"a": None, "b": "a", "c": "b", "d": "a"}
    assert list_ancestors(parents, "c") == ["b", "a"]
    assert list_subtree(parents, "a") == ["a", "b", "d", "c"]
    assert find_way_round(parents, "a", "c") == ["a", "c", "b", "a"]
    assert find_way_round(parents, "c", "d") == []
    assert find_way_round(parents, "c", None) == []
    with pytest.raises(ValueError, match="above itself"):
        list_ancestors({"a": "b", "b": "a"}, "a")
