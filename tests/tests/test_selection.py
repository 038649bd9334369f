"""Who runs a test that asks for any N, or all, of the clients that match."""

from datetime import timedelta

import pytest

from apps.accounts.models import AuditEntry
from apps.clients.models import Client
from apps.clients.services import delete_client
from apps.core.clock import read_now
from apps.core.errors import Conflict, Invalid, NotFound, Refused
from apps.tests.algorithms.quotas import Limits
from apps.tests.kinds import KINDS
from apps.tests.models import Assignment, Run, SelectionClock, Test
from apps.tests.selectors import get_test_to_change, require_reach
from apps.tests.services import (
    assign_clients,
    choose_clients,
    choose_clients_everywhere,
    grant_lease,
    pause_test,
    resume_test,
    selection,
    set_quota,
)
from apps.tests.services.selection import count_asked
from tests.factories.accounts import deny, grant, make_user
from tests.factories.clients import INVENTORY, make_client, make_tag
from tests.factories.tests import make_test

HEARTBEAT = timedelta(seconds=10)


def make_probe(name, presence="online", **fields):
    return make_client(name, presence=presence, **{"inventory": INVENTORY, **fields})


def make_rule(kind="any", count=1, name="Rule", **fields):
    selector = {key: fields.pop(key) for key in ("sites", "tags", "clients") if key in fields}
    wanted = count if kind == "any" else None
    return make_test(name, selection_kind=kind, wanted_clients=wanted, selector=selector, **fields)


def names(test):
    rows = test.assignments.filter(removed_at=None)
    return sorted(rows.values_list("client__name", flat=True))


def move(name, presence):
    Client.objects.filter(name=name).update(presence=presence)


def choose(test):
    changed = choose_clients(test=test, is_presence_known=True)
    test.refresh_from_db()
    return changed


@pytest.mark.django_db
class TestReconciling:
    def test_any_two_of_a_tag_are_two_that_are_online_and_can(self):
        for name in ("a", "b", "c"):
            make_probe(name, tags=["edge"])
        make_probe("away", "offline", tags=["edge"])
        make_probe("untagged")
        make_probe("unable", tags=["edge"], inventory={"probes": ["dns"], "capabilities": {}})
        test = make_rule(count=2, tags=["edge"])
        assert len(names(test)) == 2
        assert set(names(test)) < {"a", "b", "c"}
        assert test.selection_note == ""
        assert Run.objects.filter(assignment__test=test).count() > 2

    def test_a_client_that_went_offline_is_replaced_and_not_swapped_back(self):
        make_probe("a")
        test = make_rule()
        (old,) = test.assignments.all()
        make_probe("b")
        move("a", "late")
        assert not choose(test)
        move("a", "offline")
        assert choose(test)
        assert names(test) == ["b"]
        old.refresh_from_db()
        assert old.removed_at is not None
        assert not old.runs.filter(state=Run.State.SCHEDULED).exists()
        lease = grant_lease(client=Client.objects.get(name="b"), horizon_seconds=900.0)
        assert lease.runs
        move("a", "online")
        assert not choose(test)
        assert names(test) == ["b"]

    def test_a_move_is_audited_as_the_servers_with_both_names(self):
        make_probe("a")
        test = make_rule()
        make_probe("b")
        move("a", "offline")
        choose(test)
        entry = AuditEntry.objects.filter(action="assign").latest("id")
        assert entry.actor_label == "server"
        assert (entry.before["clients"], entry.after["clients"]) == (["a"], ["b"])
        assert entry.after["reason"] == "offline for 3 heartbeats"

    def test_the_audit_says_why_clients_went_without_their_names(self):
        probe = make_probe("a", tags=["edge"])
        make_probe("b", tags=["edge"])
        test = make_rule("all", tags=["edge"])
        assert "reason" not in AuditEntry.objects.filter(action="assign").latest("id").after
        probe.tags.set([])
        Client.objects.filter(name="b").update(inventory={})
        choose(test)
        reason = AuditEntry.objects.filter(action="assign").latest("id").after["reason"]
        assert reason == "has not said yet what it can measure; no longer matches"

    def test_a_client_too_many_goes_as_fewer_are_wanted(self):
        make_probe("a")
        make_probe("b")
        test = make_rule(count=2)
        Test.objects.filter(id=test.id).update(wanted_clients=1)
        choose(test)
        entry = AuditEntry.objects.filter(action="assign").latest("id")
        assert entry.after["reason"] == "fewer clients are wanted"

    def test_an_offline_one_is_kept_and_said_while_there_is_nobody_better(self):
        make_probe("a")
        make_probe("b")
        test = make_rule(count=2)
        move("a", "offline")
        choose(test)
        assert names(test) == ["a", "b"]
        assert test.selection_note.startswith("1 of 2: no other client that matches is online")
        move("a", "online")
        choose(test)
        assert test.selection_note == ""

    def test_who_no_longer_matches_is_taken_away(self):
        probe = make_probe("a", tags=["edge"])
        make_probe("b", tags=["edge"])
        test = make_rule("all", tags=["edge"])
        probe.tags.set([])
        choose(test)
        assert names(test) == ["b"]

    def test_all_follows_what_comes_and_names_who_cannot(self):
        make_probe("a")
        make_probe("deaf", inventory={"probes": ["ping"], "capabilities": {}})
        test = make_rule("all")
        assert names(test) == ["a"]
        assert test.selection_note == "deaf lacks icmp_raw or icmp_datagram"
        make_probe("later", "offline")
        choose(test)
        assert names(test) == ["a", "later"]

    def test_a_tag_above_selects_what_is_tagged_below(self):
        europe, vienna = make_tag("europe"), make_tag("vienna")
        vienna.lineage.add(europe)
        make_probe("a", tags=["vienna"])
        assert names(make_rule("all", tags=["europe"])) == ["a"]

    def test_a_paused_test_is_left_alone_until_it_is_resumed(self):
        make_probe("a")
        test = make_rule()
        pause_test(test=test)
        make_probe("b")
        Client.objects.get(name="a").tags.set([])
        Client.objects.filter(name="a").update(inventory={})
        assert not choose(test)
        assert names(test) == ["a"]
        resume_test(test=test)
        assert names(test) == ["b"]

    def test_a_full_client_is_passed_over_and_named(self):
        full = make_probe("full")
        make_test("Other", full)
        set_quota(scope="client", client=full, limits=Limits(tests=1))
        test = make_rule("all")
        assert names(test) == []
        assert test.selection_note == "full has no room in its quota"

    def test_the_least_booked_client_is_chosen(self):
        busy = make_probe("a")
        make_test("Other", busy)
        make_probe("b")
        assert names(make_rule()) == ["b"]

    def test_clients_cannot_be_named_for_a_test_that_chooses(self):
        probe = make_probe("a")
        test = make_rule()
        with pytest.raises(Conflict) as refused:
            assign_clients(test=test, clients=[probe])
        assert refused.value.code == "chosen_by_rule"


@pytest.mark.django_db
class TestTicking:
    @pytest.fixture
    def moving(self):
        """A test on a client that went offline, while another could take over."""
        now = read_now()
        make_probe("a", last_heartbeat_at=now)
        test = make_rule()
        make_probe("b", last_heartbeat_at=now)
        move("a", "offline")
        return test

    def tick(self, seconds, start, *, heard=True):
        moment = start + timedelta(seconds=seconds)
        if heard:
            Client.objects.filter(name="b").update(last_heartbeat_at=moment)
        choose_clients_everywhere(now=moment)

    def test_the_first_look_moves_nothing_until_three_heartbeats_later(self, moving):
        start = read_now()
        for seconds in range(0, 30, 5):
            self.tick(seconds, start)
            assert names(moving) == ["a"]
        self.tick(30, start)
        assert names(moving) == ["b"]

    def test_after_a_gap_of_its_own_ticking_nothing_moves_for_three_heartbeats(self, moving):
        start = read_now()
        SelectionClock.objects.create(
            id=1, ticked_at=start - timedelta(seconds=16), settled_at=start - timedelta(days=1)
        )
        self.tick(0, start)
        assert names(moving) == ["a"]
        self.tick(10, start)
        assert names(moving) == ["a"]

    def test_while_no_heartbeat_comes_in_at_all_nothing_moves(self, moving):
        start = read_now()
        SelectionClock.objects.create(id=1, ticked_at=start, settled_at=start)
        Client.objects.update(last_heartbeat_at=start - timedelta(seconds=16))
        self.tick(5, start, heard=False)
        assert names(moving) == ["a"]
        self.tick(10, start)
        assert names(moving) == ["a"]

    def test_a_server_that_was_there_all_the_time_moves_at_once(self, moving):
        start = read_now()
        SelectionClock.objects.create(id=1, ticked_at=start, settled_at=start)
        self.tick(5, start)
        assert names(moving) == ["b"]

    def test_heartbeats_faster_than_the_looks_hold_nothing_back(self, moving, settings):
        settings.SWARM_HEARTBEAT_SECONDS = 2
        start = read_now()
        SelectionClock.objects.create(id=1, ticked_at=start, settled_at=start)
        self.tick(5, start)
        assert names(moving) == ["b"]

    def test_without_tests_that_choose_a_look_takes_few_queries(
        self, django_assert_max_num_queries
    ):
        make_test("Named", make_probe("a"))
        choose_clients_everywhere()
        # The newest heartbeat, the clock in its savepoint, deleted clients, and the tests.
        with django_assert_max_num_queries(10):
            assert choose_clients_everywhere() == 0


@pytest.mark.django_db
class TestReach:
    @pytest.mark.parametrize(
        ("selector", "is_allowed"),
        [
            ({"sites": ["vienna"]}, True),
            ({"sites": ["vienna"], "tags": ["edge"]}, True),
            ({"sites": ["vienna", "graz"]}, False),
            ({"tags": ["edge"]}, False),
            ({"tags": ["mine"]}, True),
            ({"tags": ["below"]}, True),
            ({}, False),
            ({"sites": "no list"}, True),
        ],
    )
    def test_a_selection_stays_within_what_its_maker_operates(self, selector, is_allowed):
        make_tag("below").lineage.add(make_tag("mine"))
        user = make_user("otto", "operator", site="vienna")
        grant(user, "operator", tag="mine")
        if is_allowed:
            require_reach(user, selection_kind="any", selector=selector)
        else:
            with pytest.raises(Refused):
                require_reach(user, selection_kind="any", selector=selector)

    def test_a_denial_that_may_meet_the_selection_refuses_it(self):
        user = make_user("otto", "operator", site="vienna")
        deny(user, "viewer", tag="secret")
        with pytest.raises(Refused):
            require_reach(user, selection_kind="all", selector={"sites": ["vienna"]})

    def test_named_clients_must_all_be_in_hand(self):
        user = make_user("otto", "operator", site="vienna")
        near, far = make_probe("near", site="vienna"), make_probe("far", site="graz")
        require_reach(user, selection_kind="all", selector={"clients": [str(near.id)]})
        both = [str(near.id), str(far.id)]
        with pytest.raises(Refused):
            require_reach(user, selection_kind="all", selector={"clients": both})

    def test_who_may_not_select_so_may_not_change_the_test_either(self):
        make_probe("a", site="vienna")
        user = make_user("otto", "operator", site="vienna")
        inside = make_rule("all", name="inside", sites=["vienna"])
        outside = make_rule("all", name="outside")
        assert names(outside) == ["a"]
        assert get_test_to_change(user, inside.id) == inside
        with pytest.raises(Refused):
            get_test_to_change(user, outside.id)


@pytest.mark.parametrize(
    ("parameters", "inventory", "reason"),
    [
        ({}, INVENTORY, ""),
        ({}, {}, "has not said yet"),
        ({}, {"probes": ["dns"]}, "no probe for Ping"),
        ({}, {"probes": ["ping"]}, "lacks icmp_raw or icmp_datagram"),
        ({"method": "tcp"}, {"probes": ["ping"]}, "lacks tcp_connect"),
        (
            {},
            {
                "probes": ["ping"],
                "capabilities": {"icmp_raw": {"is_available": False, "reason": "not permitted"}},
            },
            "(not permitted)",
        ),
        (
            {},
            {"probes": ["ping"], "capabilities": {"icmp_datagram": {"is_available": True}}},
            "",
        ),
        ({}, {"probes": ["ping"], "capabilities": {"icmp_raw": True}}, "lacks"),
    ],
)
def test_why_an_agent_cannot_run_a_test_is_said(parameters, inventory, reason):
    said = KINDS["ping"].explain_inability(parameters, inventory)
    assert reason in said
    assert bool(said) == bool(reason)


@pytest.mark.django_db
def test_a_thousand_clients_are_assigned_in_a_handful_of_queries(django_assert_max_num_queries):
    made = Client.objects.bulk_create(
        Client(name=f"c{number:04d}", enrolled_at=read_now()) for number in range(300)
    )
    test = make_test(every_seconds=600.0)
    with django_assert_max_num_queries(40):
        assign_clients(test=test, clients=made)
    assert Assignment.objects.filter(source__isnull=False, removed_at=None).count() == 300
    assert Test.objects.get().assignments.count() == 300


@pytest.mark.django_db
class TestDeleted:
    def list_having(self, test):
        rows = test.assignments.filter(removed_at=None)
        return set(rows.values_list("client_id", flat=True))

    @pytest.mark.parametrize("rule", [{}, {"selection_kind": "all"}], ids=["named", "rule"])
    @pytest.mark.parametrize("is_paused", [False, True])
    def test_a_deleted_client_loses_its_tests(self, rule, is_paused):
        kept, gone = make_probe("kept"), make_probe("gone")
        test = make_test("Loopback", kept, gone, **rule)
        if is_paused:
            pause_test(test=test)
        delete_client(client=gone)
        assert choose_clients_everywhere() == 1
        assert self.list_having(test) == {kept.id}
        left = Run.objects.filter(assignment__client=gone, state__in=Run.OPEN_STATES)
        assert not left.exists()
        entry = AuditEntry.objects.filter(action="assign").latest("id")
        assert entry.after["reason"] == "client deleted"
        assert choose_clients_everywhere() == 0

    def test_a_deleted_client_is_never_chosen_nor_counted(self):
        kept, gone = make_probe("kept"), make_probe("gone")
        delete_client(client=gone)
        # Even if a late heartbeat had brought it back for a moment.
        Client.objects.filter(id=gone.id).update(presence="online")
        every = make_test("all", selection_kind="all")
        some = make_test("any", selection_kind="any", wanted_clients=2)
        assert self.list_having(every) == self.list_having(some) == {kept.id}
        assert (every.selection_note, some.selection_note[:6]) == ("", "1 of 2")
        assert count_asked(every) == 1

    def test_a_selector_may_not_name_a_deleted_client(self):
        gone = make_probe("gone")
        delete_client(client=gone)
        with pytest.raises(Invalid, match=r"selector.clients: there is no client"):
            make_test(selection_kind="all", selector={"clients": [str(gone.id)]})


@pytest.mark.django_db
@pytest.mark.parametrize("fault", [OverflowError("far"), NotFound("test_unknown", "gone")])
def test_a_test_that_cannot_be_looked_after_does_not_stop_the_others(monkeypatch, fault):
    bad = make_test("bad", selection_kind="all")
    good = make_test("good", selection_kind="all")
    make_probe("a")
    plain_choose = selection.choose

    def fail_on_bad(test, *arguments, **options):
        if test.id == bad.id:
            raise fault
        return plain_choose(test, *arguments, **options)

    monkeypatch.setattr(selection, "choose", fail_on_bad)
    assert choose_clients_everywhere() == 1
    assert good.assignments.count() == 1
    assert not bad.assignments.exists()
