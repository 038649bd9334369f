"""Maintenance windows: who may make them, who sees them, and who is in one right now."""

from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine

from apps.accounts.models import AuditEntry
from apps.accounts.policy import Permission
from apps.clients.algorithms.selector import parse_selector
from apps.clients.models import MaintenanceWindow
from apps.clients.published import MaintenanceChanged
from apps.clients.selectors import (
    count_selected,
    describe_maintenance,
    get_window,
    list_operable,
    list_pauses,
    list_windows,
    match_windows,
    require_selected,
)
from apps.clients.services import (
    change_tag,
    change_window,
    delete_client,
    delete_window,
    end_window,
)
from apps.core import bus
from apps.core.clock import read_now
from apps.core.errors import Conflict, Invalid, NotFound, Refused
from tests.factories.accounts import deny, make_user
from tests.factories.clients import make_client, make_site, make_tag
from tests.factories.maintenance import define_window, make_window, select

pytestmark = pytest.mark.django_db


@pytest.fixture
def vienna():
    return make_client("vienna-1", site="vienna", tags=["edge"])


@pytest.fixture
def graz():
    return make_client("graz-1", site="graz")


def test_a_window_is_stored_as_it_was_asked_for_and_written_down(vienna):
    window = make_window(recurrence="FREQ=WEEKLY", selector=select(sites=["vienna"]))
    stored = MaintenanceWindow.objects.get()
    assert (stored.id, stored.recurrence) == (window.id, "FREQ=WEEKLY")
    assert stored.selector == {"sites": ["vienna"], "tags": [], "clients": []}
    entry = AuditEntry.objects.get(object_id=str(window.id))
    assert (entry.action, entry.after["recurrence"]) == ("create", "FREQ=WEEKLY")


def test_a_change_is_written_down_with_before_and_after():
    window = make_window()
    change_window(window=window, definition=define_window("Night work"))
    entry = AuditEntry.objects.get(object_id=str(window.id), action="change")
    assert (entry.before["name"], entry.after["name"]) == ("Router updates", "Night work")


def test_deleting_is_written_down_and_done_once():
    window = make_window()
    delete_window(window=window)
    assert not MaintenanceWindow.objects.exists()
    assert AuditEntry.objects.filter(action="delete", object_label="Router updates").exists()
    with pytest.raises(NotFound):
        delete_window(window=window)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "bell\a"}, "name"),
        ({"effect": "explode"}, "effect"),
        ({"duration_seconds": 59}, "duration_seconds"),
        ({"time_zone": "Mars"}, "time_zone"),
        ({"recurrence": "FREQ=NEVER"}, "recurrence"),
        ({"selector": {"sites": ["nowhere"]}}, "selector.sites"),
        ({"selector": {"tags": ["nothing"]}}, "selector.tags"),
        ({"selector": {"clients": [str(uuid4())]}}, "selector.clients"),
        ({"selector": {"clients": ["no id"]}}, "selector"),
        ({"selector": {"planets": []}}, "selector"),
        ({"selector": {"sites": "vienna"}}, "selector"),
    ],
)
def test_what_cannot_be_is_refused_by_field(changes, field):
    with pytest.raises(Invalid) as refused:
        make_window(**changes)
    assert [error.field for error in refused.value.errors] == [field]
    assert not MaintenanceWindow.objects.exists()


def test_ending_now_shortens_what_is_going_on_and_nothing_else(vienna):
    window = make_window(recurrence="FREQ=DAILY")
    assert vienna.id in describe_maintenance([vienna.id], read_now())
    ended = end_window(window=window)
    assert describe_maintenance([vienna.id], ended.ended_at) == {}
    tomorrow = read_now() + timedelta(days=1)
    assert vienna.id in describe_maintenance([vienna.id], tomorrow)
    assert AuditEntry.objects.get(action="end").after["ended_at"]


def test_what_is_not_going_on_cannot_be_ended():
    window = make_window(starts_at=read_now() + timedelta(hours=1))
    with pytest.raises(Conflict) as refused:
        end_window(window=window)
    assert refused.value.code == "not_running"


def test_a_changed_window_forgets_that_it_was_ended(vienna):
    window = make_window()
    end_window(window=window)
    change_window(window=window, definition=define_window())
    assert vienna.id in describe_maintenance([vienna.id], read_now())


def test_every_change_is_told(vienna, django_capture_on_commit_callbacks, monkeypatch):
    told = []
    monkeypatch.setitem(bus._subscribers, MaintenanceChanged, [told.append])
    with django_capture_on_commit_callbacks(execute=True):
        window = make_window()
        change_window(window=window, definition=define_window())
        end_window(window=window)
        delete_window(window=window)
    assert told == [MaintenanceChanged(window.id)] * 4


def test_only_who_operates_every_selected_client_may_select_them(vienna, graz):
    local = make_user("local", "operator", site="vienna")
    require_selected(local, parse_selector(select(sites=["vienna"])))
    require_selected(local, parse_selector(select(clients=[vienna])))
    for selector in ({}, select(sites=["vienna", "graz"]), select(clients=[graz])):
        with pytest.raises(Refused):
            require_selected(local, parse_selector(selector))
    everywhere = make_user("everywhere", "operator")
    require_selected(everywhere, parse_selector({}))


def test_nobody_selects_a_place_where_others_clients_may_come(vienna):
    make_site("graz")
    make_tag("edge")
    local = make_user("local", "operator", site="vienna")
    windows = []
    for selector in (
        select(sites=["graz"]),
        select(tags=["edge"]),
        select(sites=["graz"], tags=["edge"]),
        select(tags=["edge"], clients=[vienna]),
    ):
        with pytest.raises(Refused):
            require_selected(local, parse_selector(selector))
        windows.append(make_window("theirs", selector=selector))
    inside = make_window(selector=select(sites=["vienna"], tags=["edge"]))
    assert list_operable(local, [*windows, inside]) == {inside.id}
    # It touches a client of theirs, so that they see it.
    with pytest.raises(Refused):
        get_window(local, windows[1].id, Permission.OPERATE)


def test_who_operates_a_tag_selects_what_stands_below_it():
    edge, europe = make_tag("edge"), make_tag("europe")
    change_tag(tag=edge, name="edge", parent=europe)
    local = make_user("local", "operator", tag="europe")
    require_selected(local, parse_selector(select(tags=["edge"])))
    make_tag("asia")
    with pytest.raises(Refused):
        require_selected(local, parse_selector(select(tags=["asia"])))


def test_a_window_stays_in_the_hands_of_who_operates_those_that_are_left(vienna):
    other = make_client("vienna-2", site="vienna")
    window = make_window(selector=select(clients=[vienna, other]))
    delete_client(client=vienna)
    local = make_user("local", "operator", site="vienna")
    assert get_window(local, window.id, Permission.OPERATE) == window


@pytest.mark.parametrize("count", [1, 199, 200, 201, 401])
def test_any_number_of_windows_is_counted(vienna, graz, count):
    selectors = [select(sites=["vienna"]), select(sites=["graz"]), {}]
    MaintenanceWindow.objects.bulk_create(
        MaintenanceWindow(
            name=f"w{number}",
            starts_at=read_now(),
            duration_seconds=60,
            time_zone="UTC",
            selector=selectors[number % 3],
            created_at=read_now(),
        )
        for number in range(count)
    )
    local = make_user("local", "viewer", site="vienna")
    expected = sum(number % 3 != 1 for number in range(count))
    assert list_windows(local).count() == expected
    windows = list(MaintenanceWindow.objects.order_by("id"))
    matched = match_windows([vienna.id], windows)[vienna.id]
    assert len(matched) == expected
    assert all(windows[place].selector != selectors[1] for place in matched)


def test_more_windows_than_a_query_has_columns_are_listed(vienna):
    MaintenanceWindow.objects.bulk_create(
        MaintenanceWindow(
            name="w",
            starts_at=read_now(),
            duration_seconds=60,
            time_zone="UTC",
            selector=select(sites=["vienna"]),
            created_at=read_now(),
        )
        for _number in range(2100)
    )
    assert list_windows(make_user("local", "viewer", site="vienna")).count() == 2100


def test_a_viewer_may_select_nobody(vienna):
    with pytest.raises(Refused):
        require_selected(make_user("viewer", "viewer"), parse_selector(select(clients=[vienna])))


def test_a_denial_takes_the_empty_selector(vienna, graz):
    user = make_user("almost", "operator")
    deny(user, "viewer", site="graz")
    with pytest.raises(Refused):
        require_selected(user, parse_selector({}))


def test_a_user_sees_the_windows_that_touch_a_visible_client(vienna, graz):
    here = make_window("here", selector=select(sites=["vienna"]))
    make_window("there", selector=select(sites=["graz"]))
    all_over = make_window("all over")
    viewer = make_user("viewer", "viewer", site="vienna")
    assert {row.id for row in list_windows(viewer)} == {here.id, all_over.id}
    assert not list_windows(make_user("nobody")).exists()
    assert list_windows(make_user("admin", "admin")).count() == 3
    with pytest.raises(NotFound):
        get_window(viewer, MaintenanceWindow.objects.get(name="there").id)


def test_a_window_of_others_clients_too_is_seen_but_not_changed(vienna, graz):
    mine = make_window("mine", selector=select(sites=["vienna"]))
    shared = make_window("shared", selector=select(sites=["vienna", "graz"]))
    local = make_user("local", "operator", site="vienna")
    assert get_window(local, mine.id, Permission.OPERATE) == mine
    assert get_window(local, shared.id) == shared
    with pytest.raises(Refused):
        get_window(local, shared.id, Permission.OPERATE)
    windows = [mine, shared, make_window("all over")]
    assert list_operable(local, windows) == {mine.id}
    assert list_operable(make_user("admin", "admin"), windows) == {row.id for row in windows}
    assert list_operable(make_user("viewer", "viewer"), windows) == set()


def test_a_tag_above_selects_and_a_tag_given_later_joins(vienna, graz):
    europe = make_tag("europe")
    edge = make_tag("edge")
    edge.parent = europe
    edge.save()
    edge.lineage.add(europe)
    make_window(selector=select(tags=["europe"]))
    both = [vienna.id, graz.id]
    assert set(describe_maintenance(both, read_now())) == {vienna.id}
    graz.tags.add(europe)
    assert set(describe_maintenance(both, read_now())) == set(both)


def test_sites_are_any_of_and_tags_all_of(vienna, graz):
    make_tag("core")
    counts = count_selected(
        make_user("admin", "admin"),
        {
            1: select(sites=["vienna", "graz"]),
            2: select(sites=["vienna"], tags=["edge"]),
            3: select(tags=["edge", "core"]),
            4: select(tags=["edge"], clients=[graz]),
            5: {},
        },
    )
    assert counts == {1: 2, 2: 1, 3: 0, 4: 2, 5: 2}


def test_a_pause_counts_before_a_mute_and_then_the_longest(vienna):
    make_window("mute", effect="mute", duration_seconds=90_000)
    make_window("short")
    make_window("long", duration_seconds=10_000)
    found = describe_maintenance([vienna.id], read_now())[vienna.id]
    assert (found.name, found.effect) == ("long", "pause")


def test_many_clients_cost_as_many_queries_as_one(vienna, graz, django_assert_num_queries):
    make_window("one", selector=select(sites=["vienna"]))
    make_window("two", selector=select(tags=["edge"]))
    with django_assert_num_queries(2):
        assert set(describe_maintenance([vienna.id, graz.id], read_now())) == {vienna.id}
    MaintenanceWindow.objects.all().delete()
    with django_assert_num_queries(1):
        describe_maintenance([vienna.id, graz.id], read_now())


def test_pauses_of_a_client_are_merged_and_in_order(vienna):
    make_site("graz")
    now = read_now()
    make_window("a", starts_at=now + timedelta(hours=2), duration_seconds=3600)
    make_window("b", starts_at=now + timedelta(hours=2.5), duration_seconds=3600)
    make_window("c", starts_at=now + timedelta(hours=1), duration_seconds=60)
    make_window("mute", effect="mute")
    make_window("elsewhere", selector=select(sites=["graz"]))
    times = list_pauses(vienna, start=now, end=now + timedelta(days=7))
    seconds = [(time.end - time.start).total_seconds() for time in times]
    assert seconds == [60, 5400]
    assert times[0].start < times[1].start


def test_nobody_is_in_maintenance_a_moment_after_its_end(vienna):
    window = make_window()
    end = window.starts_at + timedelta(seconds=window.duration_seconds)
    with time_machine.travel(end, tick=False):
        assert describe_maintenance([vienna.id], read_now()) == {}
