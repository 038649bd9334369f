"""The pages of clients: finding them, choosing many, keys, clones, deletion, heartbeats."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.clients.models import Client, Key
from apps.clients.published import HeartbeatRecorded
from apps.clients.services import apply_inventory, create_tag
from apps.core.clock import read_now
from apps.dashboard.live import pass_heartbeat_on
from apps.dashboard.selectors.hosts import describe_beats, describe_disks
from tests.dashboard.scene import record_host_frame
from tests.factories.accounts import make_user
from tests.factories.clients import INVENTORY, make_client, make_key, make_site, make_tag
from tests.factories.tests import make_assignment, make_result

COUNTS = json.loads((Path(__file__).parents[1] / "query_counts.json").read_text())

pytestmark = pytest.mark.django_db


def names(answer):
    return [row.client.name for row in answer.context["rows"]]


@pytest.fixture
def three(db):
    """Three clients: a in Vienna and capable, b below the tag "above", c with a clone."""
    create_tag(slug="edge", name="Edge", parent=make_tag("above"))
    a = make_client("a", site="vienna", presence="online", agent_version="0.0.9")
    apply_inventory(client=a, inventory=INVENTORY)
    b = make_client("b", tags=["edge"], last_address="192.0.2.7", agent_version="99.0")
    c = make_client("c", clone_suspected_at=read_now(), clone_detail="two boots take turns")
    return a, b, c


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["a", "b", "c"]),
        ("q=debian", ["a"]),
        ("q=192.0.2.7", ["b"]),
        ("presence=online", ["a"]),
        ("site=vienna", ["a"]),
        ("tag=above", ["b"]),
        ("version=99.0", ["b"]),
        ("capability=icmp_raw", ["a"]),
        ("capability=nosuch", []),
        ("clone=1", ["c"]),
        ("sort=-name", ["c", "b", "a"]),
        ("sort=nosuch", ["a", "b", "c"]),
        ("sort=-version", ["b", "a", "c"]),
        ("size=nosuch", ["a", "b", "c"]),
        ("page=99", ["a", "b", "c"]),
    ],
)
def test_the_list_is_narrowed_and_sorted_by_its_address(page, three, query, expected):
    assert names(page.get(f"/clients/?{query}")) == expected


def test_the_list_is_sorted_by_what_is_measured_and_by_failing_tests(page, three):
    a, b, _c = three
    record_host_frame(b, read_now())
    assert names(page.get("/clients/?sort=-processor"))[0] == "b"
    assert names(page.get("/clients/?sort=processor"))[0] == "b"
    assignment = make_assignment(a, "bad")
    make_result(assignment, is_success=False)
    assignment.last_is_success = False
    assignment.save()
    assert names(page.get("/clients/?sort=-tests"))[0] == "a"
    assert names(page.get("/clients/?sort=tests"))[-1] == "a"


def test_the_page_size_is_kept_in_the_address(page):
    for number in range(30):
        make_client(f"c{number:02d}")
    first = page.get("/clients/?size=25")
    assert len(first.context["rows"]) == 25
    assert names(page.get("/clients/?size=25&page=2")) == [f"c{n}" for n in range(25, 30)]


def test_an_agent_older_than_the_server_is_marked(page, three):
    rows = {row.client.name: row for row in page.get("/clients/").context["rows"]}
    marked = {name for name, row in rows.items() if row.is_outdated}
    assert marked == {"a"}
    assert "older than the server" in page.get(f"/clients/{three[0].id}/host/").content.decode()
    assert "older than the server" not in page.get(f"/clients/{three[1].id}/").content.decode()


def test_every_sort_of_the_list_asks_as_often_for_many_rows_as_for_few(page):
    counts = {}
    for total in (3, 12):
        while Client.objects.count() < total:
            probe = make_client(f"c{Client.objects.count()}", tags=["edge"])
            record_host_frame(probe, read_now())
        for sort in ("name", "tests", "processor", "system"):
            cache.clear()
            with CaptureQueriesContext(connection) as queries:
                page.get(f"/clients/?sort={sort}")
            counts.setdefault(sort, set()).add(len(queries))
    assert all(len(found) == 1 for found in counts.values())


def test_the_list_of_places_asks_as_often_for_many_as_for_few(page):
    for number in range(2):
        make_client(f"few{number}", site=f"s{number}", tags=[f"t{number}"])
    for number in range(20):
        cache.clear()
        with CaptureQueriesContext(connection) as queries:
            assert page.get("/places/").status_code == 200
        assert len(queries) == COUNTS["dashboard:places"]
        make_client(f"c{number}", site=f"site{number}", tags=[f"tag{number}"])


def choose(page, *clients, query="", **sent):
    body = {"client": [str(client.id) for client in clients], **sent}
    return page.post(f"/clients/bulk/{query}", body, follow=True)


def test_chosen_clients_are_tagged_and_moved(page, three):
    a, b, c = three
    tag, site = make_tag("new"), make_site("graz")
    answer = choose(page, a, b, action="add_tags", tags=[str(tag.id)], query="?sort=-name")
    assert "Done to 2 clients." in answer.content.decode()
    assert answer.redirect_chain[-1][0] == "/clients/?sort=-name"
    assert [client.name for client in tag.clients.order_by("name")] == ["a", "b"]
    choose(page, c, action="set_site", site=str(site.id))
    assert [client.name for client in site.clients.all()] == ["c"]


def test_all_that_match_the_filter_are_chosen_at_once(page, three):
    tag = make_tag("new")
    choose(page, query="?tag=above", everything="1", action="add_tags", tags=[str(tag.id)])
    assert [client.name for client in tag.clients.all()] == ["b"]


def test_a_filter_that_the_list_does_not_know_chooses_nobody(page, three):
    tag = make_tag("new")
    wanted = {"everything": "1", "action": "add_tags", "tags": [str(tag.id)]}
    answer = choose(page, query="?tagg=above", **wanted)
    assert "tagg" in answer.content.decode()
    assert not tag.clients.exists()
    choose(page, query="?tag=above&sort=name&size=50&page=1", **wanted)
    assert [client.name for client in tag.clients.all()] == ["b"]


@pytest.mark.parametrize("action", ["delete", "revoke_keys"])
def test_what_cannot_be_taken_back_is_asked_for_twice(page, three, action):
    a, b, c = three
    for client in three:
        make_key(client)
    asked = choose(page, a, b, action=action)
    assert asked.status_code == 200
    assert "Type the number of clients" in asked.content.decode()
    wrong = choose(page, a, b, action=action, count="3")
    assert wrong.status_code == 422
    assert Client.objects.filter(deleted_at=None).count() == 3
    assert Key.objects.filter(revoked_at=None).count() == 3
    assert "Done to 2 clients." in choose(page, a, b, action=action, count="2").content.decode()
    assert [key.client for key in Key.objects.filter(revoked_at=None)] == [c]


def test_a_choice_of_another_ones_client_is_refused(client):
    mine, theirs = make_client("mine", site="vienna"), make_client("theirs", site="graz")
    client.force_login(make_user("local", "operator", site="vienna"))
    text = choose(client, mine, theirs, action="revoke_keys", count="2").content.decode()
    assert str(theirs.id) in text
    choose(client, query="", everything="1", action="delete", count="1")
    assert [row.name for row in Client.objects.filter(deleted_at=None)] == ["theirs"]


def test_what_was_refused_is_reported(client):
    mine = make_client("mine", site="vienna")
    client.force_login(make_user("local", "operator", site="vienna"))
    answer = choose(client, mine, action="set_site", site="")
    assert "What was done" in answer.content.decode()
    assert [row.client for row in answer.context["report"].refused] == [mine]


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"action": "add_tags"}, "at least one tag"),
        ({"action": "explode"}, "explode"),
        ({"action": "add_tags", "tags": ["999"]}, "999"),
        ({"action": "set_site", "site": "999"}, "Select a valid choice"),
    ],
)
def test_a_wrong_choice_is_explained_on_the_list(page, three, sent, sentence):
    assert sentence in choose(page, three[0], **sent).content.decode()


@pytest.mark.parametrize("ids", [[], ["nosuch"], ["00000000-0000-4000-8000-000000000000"]])
def test_no_client_or_one_that_is_none_is_explained_on_the_list(page, three, ids):
    answer = page.post("/clients/bulk/", {"action": "delete", "client": ids}, follow=True)
    assert answer.redirect_chain[-1][0] == "/clients/"
    assert [message.level_tag for message in answer.context["messages"]] == ["error"]


def test_a_client_goes_only_when_its_name_is_typed(page):
    probe = make_client("precious")
    make_assignment(probe, "t")
    answer = page.post(f"/clients/{probe.id}/delete/", {"name": "preciou"})
    assert (answer.status_code, answer.context["history"].sources) == (422, 1)
    assert Client.objects.filter(deleted_at=None).exists()
    answer = page.post(f"/clients/{probe.id}/delete/", {"name": "precious"})
    assert answer.url == "/clients/"
    assert page.get(f"/clients/{probe.id}/").status_code == 404


def test_keys_are_added_and_ended_one_by_one(page):
    probe = make_client()
    secret = page.post(f"/clients/{probe.id}/keys/").context["secret"]
    assert secret[9:] not in page.get(f"/clients/{probe.id}/settings/").content.decode()
    page.post(f"/clients/{probe.id}/keys/{secret[:8]}/revoke/")
    assert Key.objects.get().revoked_at is not None
    assert page.post(f"/clients/{probe.id}/keys/nosuch/revoke/").status_code == 404


@pytest.mark.parametrize(("overlap", "is_ended"), [("0", True), ("86400", False)])
def test_a_new_key_ends_the_earlier_ones_when_told(page, overlap, is_ended):
    probe = make_client()
    make_key(probe)
    page.post(f"/clients/{probe.id}/rotate/", {"overlap_seconds": overlap})
    (key,) = Key.objects.exclude(expires_at=None)
    assert (key.expires_at <= read_now()) == is_ended
    assert page.post(f"/clients/{probe.id}/rotate/", {"overlap_seconds": "7"}).status_code == 400


def test_a_clone_is_shown_with_what_to_do_until_somebody_clears_it(page, client, three):
    *_others, c = three
    assert "two boots take turns" in page.get("/clients/").content.decode()
    assert "enrol the copy" in page.get(f"/clients/{c.id}/").content.decode()
    page.post(f"/clients/{c.id}/clone/")
    assert "two boots" not in page.get(f"/clients/{c.id}/").content.decode()


def test_heartbeats_are_judged_by_the_silence_before_them(settings):
    settings.SWARM_HEARTBEAT_SECONDS = 10
    beats = describe_beats([1000, 1010, 1025, 1040.1, 1070.1, 1100.2])
    assert [beat.tone for beat in beats] == ["good", "good", "good", "warning", "warning", "bad"]
    assert beats[0].gap_seconds is None
    assert describe_beats([]) == []


def test_a_heartbeat_goes_to_the_page_of_its_client(silent_push):
    event = HeartbeatRecorded("6a0f2d9e-0000-4000-8000-000000000001", read_now())
    pass_heartbeat_on(event)
    ((group, message),) = silent_push
    assert group == f"live.client.{event.client_id}"
    (frame,) = message["frames"]
    assert (frame["source"], frame["at"]) == ("heartbeat", event.at.timestamp())


def test_the_host_page_shows_what_the_agent_says(page):
    probe = make_client(
        heartbeats=[read_now().timestamp()],
        last_heartbeat_at=read_now() - timedelta(seconds=1),
        boot_id="0123456789",
        spool_dropped=7,
    )
    disk = {"device": "/dev/vda1", "mount_point": "/", "file_system": "ext4", "total_bytes": 1e9}
    missing = {"is_available": False, "reason": "no right", "remedy": "setcap cap_net_raw"}
    inventory = {**INVENTORY, "disks": [disk], "capabilities": {"icmp_raw": missing}}
    apply_inventory(client=probe, inventory=inventory)
    text = page.get(f"/clients/{probe.id}/host/").content.decode()
    for part in ("6.1.0", "/dev/vda1", "setcap cap_net_raw", "1 is missing", "7 dropped",
                 "01234567", "beat-good", "02:00:00:00:00:01"):  # fmt: skip
        assert part in text


def test_a_disk_is_joined_with_its_measured_use():
    class Row:
        kind, subject, values = "filesystem", "/", {"system.filesystem.utilization": 0.5}

    inventory = {"disks": [{"mount_point": "/"}, {"mount_point": "/boot"}]}
    used, unknown = describe_disks(inventory, [Row])
    assert (used.used_percent, unknown.used_ratio) == (50, None)
