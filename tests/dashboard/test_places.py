"""The pages of sites and tags."""

import pytest

from apps.clients.models import Site, Tag
from apps.clients.services import create_tag
from apps.tests.models import Test
from tests.factories.accounts import make_user
from tests.factories.clients import make_client, make_site, make_tag
from tests.factories.tests import make_test

pytestmark = pytest.mark.django_db


def test_tags_stand_as_a_tree_with_their_clients(page):
    europe = create_tag(slug="europe", name="Europe")
    create_tag(slug="vienna", name="Vienna", parent=europe)
    create_tag(slug="asia", name="Asia")
    make_client("a", tags=["vienna"])
    make_client("b", tags=["vienna", "europe"])
    rows = page.get("/places/").context["tags"]
    assert [(row.tag.slug, row.depth, row.client_count, row.total_count) for row in rows] == [
        ("asia", 0, 0, 0),
        ("europe", 0, 1, 2),
        ("vienna", 1, 2, 2),
    ]


def test_a_tag_below_one_that_its_reader_does_not_see_stands_at_the_root(client):
    create_tag(slug="vienna", name="Vienna", parent=make_tag("hidden"))
    make_client("a", site="vienna", tags=["vienna"])
    client.force_login(make_user("local", "viewer", site="vienna"))
    (row,) = client.get("/places/").context["tags"]
    assert (row.tag.slug, row.depth) == ("vienna", 0)


def test_an_empty_page_says_what_to_do(page):
    text = page.get("/places/").content.decode()
    assert "Make the first site" in text
    assert "Make the first tag" in text


def test_a_site_is_made_changed_and_deleted(page):
    body = {"name": "Wien", "slug": "vienna", "latitude": "48.2", "longitude": "16.4"}
    assert page.post("/places/sites/new/", body).url == "/places/"
    site = Site.objects.get()
    changed = {"name": "Vienna", "latitude": "", "longitude": "", "slug": "other"}
    page.post(f"/places/sites/{site.id}/change/", changed)
    site.refresh_from_db()
    assert (site.name, site.slug, site.latitude) == ("Vienna", "vienna", None)
    page.post(f"/places/sites/{site.id}/delete/")
    assert not Site.objects.exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"slug": "two words"}, "slug"),
        ({"slug": "taken"}, "slug"),
        ({"latitude": "90.1"}, "latitude"),
        ({"longitude": "-181"}, "longitude"),
        ({"longitude": ""}, "longitude"),
        ({"latitude": "nan"}, "latitude"),
    ],
)
def test_a_wrong_site_is_refused_at_its_field(page, change, field):
    make_site("taken")
    body = {"name": "Wien", "slug": "vienna", "latitude": "48.2", "longitude": "16.4", **change}
    answer = page.post("/places/sites/new/", body)
    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == {field}
    assert Site.objects.count() == 1


def test_a_tag_is_made_below_another_and_never_in_a_circle(page):
    above = make_tag("above")
    assert (
        f'value="{above.id}" selected'
        in page.get(f"/places/tags/new/?parent={above.id}").content.decode()
    )
    page.post("/places/tags/new/", {"name": "Low", "slug": "low", "parent": above.id})
    low = Tag.objects.get(slug="low")
    assert low.parent == above
    answer = page.post(f"/places/tags/{above.id}/change/", {"name": "A", "parent": low.id})
    assert answer.status_code == 422
    assert "above &lt; low &lt; above" in answer.content.decode()
    page.post(f"/places/tags/{low.id}/change/", {"name": "Low", "parent": ""})
    low.refresh_from_db()
    assert low.parent is None


def test_a_place_in_use_stays_and_says_why(page):
    make_client(site="vienna")
    site, tag = make_site("vienna"), make_tag("above")
    create_tag(slug="low", name="Low", parent=tag)
    for path, reason in ((f"sites/{site.id}", "There are clients"), (f"tags/{tag.id}", "low")):
        answer = page.post(f"/places/{path}/delete/", follow=True)
        assert reason in answer.content.decode()
    assert (Site.objects.count(), Tag.objects.count()) == (1, 2)


def test_who_deletes_a_place_is_told_what_selects_by_it(page):
    make_test("chooser", make_client())
    Test.objects.update(selection_kind="all", selector={"sites": ["vienna"], "tags": ["edge"]})
    for path in (f"sites/{make_site('vienna').id}", f"tags/{make_tag('edge').id}"):
        assert page.get(f"/places/{path}/").context["naming"] == ["chooser"]
    assert page.get(f"/places/sites/{make_site('graz').id}/").context["naming"] == []


def test_who_operates_one_site_looks_at_places_but_changes_none(client):
    make_client(site="vienna")
    site = make_site("vienna")
    client.force_login(make_user("local", "operator", site="vienna"))
    assert "disabled" in client.get(f"/places/sites/{site.id}/").content.decode()
    for path in ("sites/new/", "tags/new/", f"sites/{site.id}/change/", f"sites/{site.id}/delete/"):
        assert client.post(f"/places/{path}", {"name": "x", "slug": "x"}).status_code == 403
    assert Site.objects.get().name == "Vienna"
