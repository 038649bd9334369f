"""`?fields=` on whatever the API reads."""

import pytest
from django.urls import reverse
from drf_spectacular.generators import SchemaGenerator
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.core.http import select_fields
from tests.api.objects import fill, make_objects
from tests.factories.accounts import make_user
from tests.factories.clients import make_client

NAMES = st.sampled_from("abcdef")
ROWS = st.lists(st.fixed_dictionaries(dict.fromkeys("abcdef", st.integers())), max_size=4)


@pytest.fixture
def admin(client, db):
    client.force_login(make_user("root", "admin"))
    return client


@given(ROWS, st.lists(NAMES, min_size=1))
def test_rows_keep_what_is_wanted_and_nothing_else(rows, wanted):
    page = {"count": len(rows), "next": None, "results": rows}
    picked = select_fields(page, ",".join(wanted), list("abcdef"))
    assert picked["count"] == len(rows)
    assert picked["results"] == [{name: row[name] for name in wanted} for row in rows]
    assert select_fields(rows, ",".join(wanted), list("abcdef")) == picked["results"]


@pytest.mark.parametrize("wanted", ["", " , ", "a,x", "A"])
def test_a_field_that_there_is_not_is_named_with_those_there_are(wanted):
    with pytest.raises(Invalid) as caught:
        select_fields({"a": 1, "b": 2}, wanted, [])
    assert caught.value.errors[0].field == "fields"
    assert "a, b" in caught.value.detail


def test_a_list_and_an_object_keep_the_fields_wanted(admin):
    probe = make_client(site="vienna")
    listed = admin.get("/api/v1/clients/?fields=name,%20site").json()
    assert listed["results"] == [{"name": "probe-1", "site": "vienna"}]
    assert listed["count"] == 1
    shown = admin.get(f"/api/v1/clients/{probe.id}/?fields=interfaces,name").json()
    assert shown == {"interfaces": [], "name": "probe-1"}


@pytest.mark.parametrize("makes_client", [True, False])
def test_an_unknown_field_is_refused_even_for_an_empty_list(admin, makes_client):
    if makes_client:
        make_client()
    answer = admin.get("/api/v1/clients/?fields=name,nosuch")
    assert answer.status_code == 400
    (error,) = answer.json()["data"]["errors"]
    assert error["field"] == "fields"
    assert "nosuch" in error["detail"]
    assert "last_heartbeat_at" in error["detail"]


def test_a_refusal_and_a_change_stay_whole(admin):
    refused = admin.get("/api/v1/clients/not-there/?fields=name")
    assert refused.status_code == 404
    made = admin.post("/api/v1/tags/?fields=slug", {"slug": "x", "name": "X"}, "application/json")
    assert set(made.json()) >= {"id", "slug", "name"}


def test_a_page_of_the_site_knows_no_fields(admin):
    assert admin.get(f"{reverse('account_login')}?fields=name").status_code in {200, 302}


def describe_reading():
    """The paths that take `fields`, and the names each allows."""
    schema = SchemaGenerator().get_schema(request=None, public=True)
    for path, item in schema["paths"].items():
        for parameter in item.get("get", {}).get("parameters", []):
            if parameter["name"] == "fields":
                yield path, parameter["schema"]["items"]["enum"]


def test_every_list_and_object_of_the_description_keeps_what_it_says(admin):
    objects = make_objects("vienna")
    described = dict(describe_reading())
    assert {"/api/v1/clients/", "/api/v1/tests/{id}/", "/api/v1/runs/", "/api/v1/kinds/"} <= set(
        described
    )
    for path, names in described.items():
        route = path.lstrip("/").replace("{", "<").replace("}", ">")
        if "<" in route and not any(word in route for word in ("client", "test", "site", "tag")):
            continue
        answer = admin.get(f"{fill(route, objects)}?fields={names[0]}")
        if answer.status_code != 200:
            continue
        document = answer.json()
        rows = document.get("results", document) if isinstance(document, dict) else document
        for row in rows if isinstance(rows, list) else [rows]:
            assert set(row) <= {names[0]}, path
