"""Limits on tests, packets and bits a second, of users and of clients."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.actors import Actor, act_as
from apps.accounts.models import AuditEntry
from apps.clients.models import Client
from apps.core.errors import Conflict, Invalid
from apps.tests.algorithms.load import Load, estimate_share
from apps.tests.algorithms.quotas import Limits, Use, count_room, find_excess
from apps.tests.kinds import KINDS, Kind
from apps.tests.models import Quota, Test
from apps.tests.services import (
    assign_clients,
    change_test,
    choose_clients,
    create_test,
    pause_test,
    rehearse_test,
    remove_quota,
    resume_test,
    run_now,
    set_quota,
    stop_runs,
)
from apps.tests.services.standings import describe_client_standing, describe_standings
from tests.factories.accounts import make_user
from tests.factories.clients import INVENTORY, make_client
from tests.factories.tests import define, make_test

PING_PACKETS = 10.0  # a request and a reply each 0.2 s


def limit(**limits):
    return set_quota(scope="client", limits=Limits(**limits))


@pytest.fixture
def ann(db):
    """Whoever makes the tests from here on."""
    user = make_user("ann", "operator")
    with act_as(Actor("ann", "api", user)):
        yield user


@pytest.mark.django_db
class TestClients:
    def test_one_test_too_many_names_client_limit_current_and_asked(self):
        probe = make_client("probe-1")
        limit(tests=1)
        make_test("first", probe)
        with pytest.raises(Conflict) as refused:
            make_test("second", probe)
        error = refused.value
        assert (error.code, error.data["field"]) == ("quota_exceeded", "clients")
        assert error.detail == "client probe-1: 1 tests allowed, has 1, this makes 2"
        assert (error.data["allowed"], error.data["current"], error.data["asked"]) == (1, 1, 2)
        assert Test.objects.count() == 1

    def test_the_own_limit_of_a_client_goes_before_that_of_all(self):
        probe, other = make_client("probe"), make_client("other")
        limit(tests=0)
        set_quota(scope="client", client=probe, limits=Limits())
        make_test("fits", probe)
        with pytest.raises(Conflict, match="client other: 0 tests allowed"):
            make_test("fits not", other)

    @pytest.mark.parametrize(
        ("limits", "unit"), [({"packets_per_second": 15.0}, "packets/s"),
                             ({"megabits_per_second": 0.01}, "Mbit/s")]
    )  # fmt: skip
    def test_load_is_added_up(self, limits, unit):
        probe = make_client()
        limit(**limits)
        make_test("first", probe)
        with pytest.raises(Conflict, match=unit):
            make_test("second", probe)

    def test_several_full_clients_are_counted(self):
        limit(tests=0)
        with pytest.raises(Conflict, match=r"client a: .*; 2 more clients likewise"):
            make_test("x", make_client("a"), make_client("b"), make_client("c"))

    def test_giving_a_test_to_a_full_client_is_refused(self):
        probe = make_client()
        limit(tests=1)
        make_test("first", probe)
        second = make_test("second")
        with pytest.raises(Conflict):
            assign_clients(test=second, clients=[probe])
        assert not second.assignments.exists()

    def test_a_change_that_makes_it_too_much_is_refused_and_one_that_does_not_is_done(self):
        probe = make_client()
        limit(packets_per_second=PING_PACKETS)
        test = make_test("Loopback", probe)
        change_test(test, define("Renamed"))
        with pytest.raises(Conflict):
            change_test(test, define(parameters={"interval_seconds": 0.1}))
        assert Test.objects.get().parameters["interval_seconds"] == 0.2

    def test_a_paused_test_counts_for_nothing_and_must_fit_again_to_be_resumed(self):
        probe = make_client()
        limit(tests=1)
        first = make_test("first", probe)
        pause_test(test=first)
        make_test("second", probe)
        with pytest.raises(Conflict):
            resume_test(test=first)
        assert Test.objects.get(name="first").is_paused

    def test_what_was_too_much_already_may_stay_and_become_less(self):
        probe = make_client()
        test = make_test("Loopback", probe)
        limit(packets_per_second=1.0)
        change_test(test, define("Renamed"))
        change_test(test, define(parameters={"interval_seconds": 1.0}))
        with pytest.raises(Conflict):
            change_test(test, define(parameters={"interval_seconds": 0.5}))

    def test_a_run_by_hand_counts_until_it_is_over(self):
        probe = make_client("probe")
        limit(packets_per_second=2 * PING_PACKETS)
        first = make_test("first", probe)
        run_now(test=first)
        with pytest.raises(Conflict, match="client probe: 20 packets/s allowed, has 20"):
            make_test("second", probe)
        stop_runs(test=first)
        second = make_test("second", probe)
        with pytest.raises(Conflict) as refused:
            run_now(test=second)
        assert (refused.value.code, refused.value.data["asked"]) == ("quota_exceeded", 30)

    def test_a_run_by_hand_of_a_paused_test_counts_as_well(self):
        probe = make_client()
        limit(packets_per_second=PING_PACKETS)
        test = make_test("first", probe)
        pause_test(test=test)
        run_now(test=test)
        with pytest.raises(Conflict):
            resume_test(test=test)


class TestOthers:
    """Whoever changes what somebody else made, or the server, does so inside the own quota."""

    @pytest.fixture
    def foreign(self, db):
        return make_test("of the server", make_client(inventory=INVENTORY, presence="online"))

    def test_a_greater_load_must_fit_into_the_quota_of_who_asks_for_it(self, foreign, ann):
        set_quota(scope="user", user=ann, limits=Limits(packets_per_second=1.5 * PING_PACKETS))
        change_test(foreign, define(parameters={"interval_seconds": 0.15}))
        heavier = define(parameters={"interval_seconds": 0.1})
        for act in (
            lambda: change_test(foreign, heavier),
            lambda: rehearse_test(heavier, clients=Client.objects.all(), test=foreign),
            lambda: assign_clients(test=foreign, clients=[make_client("b"), make_client("c")]),
        ):
            with pytest.raises(Conflict, match="user ann: 15 packets/s allowed"):
                act()
        with act_as(Actor("server", "system")):
            change_test(foreign, heavier)

    def test_what_the_own_tests_take_is_not_left_for_those_of_others(self, foreign, ann):
        set_quota(scope="user", user=ann, limits=Limits(packets_per_second=3.5 * PING_PACKETS))
        make_test("own", make_client("b"), parameters={"interval_seconds": 0.1})
        with pytest.raises(Conflict, match="has 30, this makes 40"):
            change_test(foreign, define(parameters={"interval_seconds": 0.1}))

    def test_less_or_as_much_is_always_allowed(self, foreign, ann):
        set_quota(scope="user", user=ann, limits=Limits(tests=0, packets_per_second=0.0))
        change_test(foreign, define("Renamed"))
        change_test(foreign, define("Renamed", parameters={"interval_seconds": 1.0}))
        pause_test(test=foreign)
        with pytest.raises(Conflict, match="user ann: 0 tests allowed"):
            resume_test(test=foreign)

    def test_the_quota_of_its_maker_counts_too(self, ann):
        set_quota(scope="user", user=ann, limits=Limits(packets_per_second=PING_PACKETS))
        test = make_test("Loopback", make_client())
        with (
            act_as(Actor("bob", "api", make_user("bob", "operator"))),
            pytest.raises(Conflict, match="user ann: 10 packets/s allowed"),
        ):
            change_test(test, define(parameters={"interval_seconds": 0.1}))

    def test_runs_by_hand_count_for_who_asks_for_them(self, foreign, ann):
        set_quota(scope="user", user=ann, limits=Limits(packets_per_second=PING_PACKETS))
        run_now(test=foreign)
        with pytest.raises(Conflict, match="user ann: 10 packets/s allowed, has 10"):
            make_test("own", make_client("b"))
        other = make_client("c")
        with act_as(Actor("server", "system")):
            second = make_test("second", other)
        with pytest.raises(Conflict, match="user ann"):
            run_now(test=second)


class TestUsers:
    def test_one_test_too_many_names_the_user(self, ann):
        set_quota(scope="user", user=ann, limits=Limits(tests=1))
        make_test("first")
        with pytest.raises(Conflict) as refused:
            make_test("second")
        assert refused.value.detail == "user ann: 1 tests allowed, has 1, this makes 2"

    def test_load_counts_on_each_client(self, ann):
        set_quota(scope="user", limits=Limits(packets_per_second=2 * PING_PACKETS))
        probes = [make_client(name) for name in "abc"]
        test = make_test("Loopback", *probes[:2])
        with pytest.raises(Conflict, match="user ann: 20 packets/s allowed, has 20, this makes 30"):
            assign_clients(test=test, clients=probes)

    def test_a_rule_that_asks_for_too_many_is_refused_at_its_number(self, ann):
        set_quota(scope="user", limits=Limits(packets_per_second=2 * PING_PACKETS))
        with pytest.raises(Conflict) as refused:
            create_test(define(selection_kind="any", wanted_clients=3))
        assert refused.value.data["field"] == "wanted_clients"

    def test_clients_that_come_later_are_taken_only_as_far_as_the_quota_goes(self, ann):
        make_client("a", inventory=INVENTORY, presence="online")
        test = create_test(define(selection_kind="all"))
        set_quota(scope="user", limits=Limits(packets_per_second=2 * PING_PACKETS))
        for name in "bc":
            make_client(name, inventory=INVENTORY, presence="online")
        choose_clients(test=test)
        test.refresh_from_db()
        assert test.assignments.filter(removed_at=None).count() == 2
        assert test.selection_note == "the quota of its maker allows no more clients"

    def test_tests_of_nobody_and_of_others_do_not_count(self, ann):
        set_quota(scope="user", user=ann, limits=Limits(tests=1))
        with act_as(Actor("server", "system")):
            make_test("of the server")
        assert make_test("own").created_by == ann


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({"tests": -1}, "tests"),
        ({"tests": 1_000_001}, "tests"),
        ({"packets_per_second": -0.1}, "packets_per_second"),
        ({"packets_per_second": float("nan")}, "packets_per_second"),
        ({"megabits_per_second": 2e9}, "megabits_per_second"),
    ],
)
def test_a_limit_out_of_range_is_named(limits, field):
    with pytest.raises(Invalid) as refused:
        limit(**limits)
    assert [error.field for error in refused.value.errors] == [field]
    assert not Quota.objects.exists()


@pytest.mark.django_db
def test_setting_and_removing_a_limit_is_audited():
    limit(tests=1)
    quota = limit(tests=2)
    remove_quota(quota=quota)
    entries = AuditEntry.objects.filter(object_type="quota").order_by("id")
    assert [entry.action for entry in entries] == ["create", "change", "delete"]
    assert (entries[1].before["tests"], entries[1].after["tests"]) == (1, 2)
    assert not Quota.objects.exists()


@pytest.mark.django_db
def test_standings_show_the_fullest_first():
    near, far = make_client("near"), make_client("far")
    limit(tests=4)
    make_test("one", near, far)
    make_test("two", near)
    assert [one.name for one in describe_standings()] == ["near", "far"]
    standing = describe_client_standing(near)
    assert standing.use.tests == 2
    assert standing.bars[0].ratio == 0.5
    assert standing.bars[1].ratio is None
    assert standing.use.packets_per_second == 2 * PING_PACKETS


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_what_breaks_a_limit_is_above_it_and_more_than_there_was(allowed, current, asked):
    excess = find_excess(
        Limits(packets_per_second=allowed),
        current=Use(1, Load(current)),
        asked=Use(1, Load(asked)),
    )
    if excess is None:
        assert asked <= max(allowed, current) * 1.000001
    else:
        assert asked > allowed
        assert asked > current


@given(st.floats(1, 1e4), st.floats(0, 1e4), st.floats(0.1, 1e3))
def test_as_many_as_there_is_room_for_fit(allowed, used, each):
    limits = Limits(packets_per_second=allowed)
    room = count_room(limits, current=Use(0, Load(used)), load=Load(each))
    assert room >= 0
    assert room == 0 or used + room * each <= allowed * 1.000001
    assert used + (room + 1) * each > allowed * 0.999999


def test_there_is_room_for_any_number_without_a_limit():
    assert count_room(Limits(tests=1), current=Use(), load=Load(1, 1)) is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "parameters", "packets", "bits"),
    [
        ("ping", {}, 10, 10 * (56 + 62) * 8),
        ("ping", {"method": "tcp", "interval_seconds": 1}, 7, 7 * 66 * 8),
        ("tcp", {"port": 80}, 7, 7 * 66 * 8),
        ("dns", {"name": "x", "interval_seconds": 1}, 2, 1532 * 8),
        ("dns", {"name": "x", "interval_seconds": 1, "transport": "tcp"}, 10, (1532 + 10 * 66) * 8),
        ("trace", {}, 100, 50 * (86 + 222) * 8),
        ("trace", {"method": "tcp", "packets_per_second": 1}, 7, 7 * 66 * 8),
        ("mtu", {}, 200, 100 * 2 * 1514 * 8),
        ("http", {"interval_seconds": 1, "method": "HEAD"}, 18, (10_000 + 18 * 66) * 8),
        ("tls", {"interval_seconds": 1}, 36, 2 * (10_000 + 18 * 66) * 8),
        ("ntp", {"interval_seconds": 1}, 2, 2 * 110 * 8),
        (
            "throughput",
            {"protocol": "udp", "rate_megabits": 8, "packet_bytes": 1000},
            1000,
            1000 * (1000 + 62) * 8,
        ),
        ("iperf3", {"protocol": "udp", "packet_bytes": 1250}, 1000, 1000 * (1250 + 62) * 8),
        ("http_throughput", {"max_megabits": 8}, 1044, (1_000_000 + 1044 * 66) * 8),
    ],
)
def test_the_load_of_a_kind_follows_from_its_parameters(kind, parameters, packets, bits):
    load = KINDS[kind].estimate_load(parameters, 1.0, duration_seconds=1e9)
    assert (load.packets_per_second, load.bits_per_second) == pytest.approx((packets, bits))


def test_an_http_test_may_fetch_as_much_as_it_allows():
    load = KINDS["http"].estimate_load(
        {"interval_seconds": 1, "max_body_bytes": 10_000_000}, 1.0, duration_seconds=1e9
    )
    assert 80 < load.megabits_per_second < 90


@pytest.mark.parametrize(
    ("said", "parameters", "packets"),
    [({}, {}, 4), ({"x-load": {"packets": 3, "bytes": 1}}, {}, 0.6),
     ({"x-load": {"packets": 3, "bytes": 1}}, {"interval_seconds": 1}, 3)],
)  # fmt: skip
def test_a_kind_of_a_plug_in_says_its_load_in_its_schema(said, parameters, packets):
    kind = Kind("banner", (), (), added_schema={"properties": {}, **said})
    assert kind.estimate_load(
        parameters, 5.0, duration_seconds=60
    ).packets_per_second == pytest.approx(packets)


@pytest.mark.parametrize(
    ("kind", "every", "share"),
    [("continuous", None, 1.0), ("once", None, 0.0), ("every", 40.0, 0.25), ("every", 5.0, 1.0)],
)
def test_the_share_of_time_is_duration_over_interval(kind, every, share):
    found = estimate_share(schedule_kind=kind, duration_seconds=10.0, every_seconds=every)
    assert found == share


@pytest.mark.parametrize(
    ("kind", "parameters", "packets"),
    [
        ("dns", {"is_cache_measured": False}, 0),
        ("dns", {}, 6 * 2),
        ("dns", {"resolvers": "192.0.2.1, 192.0.2.2,"}, 8 * 2),
        ("ping", {"timeout_seconds": 1}, 0),
        ("ping", {"timeout_seconds": 1, "is_tcp_compared": True}, 5 * 7),
        ("tcp", {}, 0),
    ],
)
def test_what_a_run_asks_once_counts_over_its_duration(kind, parameters, packets):
    def estimate(seconds):
        load = KINDS[kind].estimate_load({"name": "a.example", "port": 1, **parameters}, 1.0,
                                         duration_seconds=seconds)  # fmt: skip
        return load.packets_per_second

    assert (estimate(10) - estimate(1e12)) * 10 == pytest.approx(packets)


def test_each_transport_and_request_asked_once_counts():
    def estimate(kind, seconds, **parameters):
        load = KINDS[kind].estimate_load(parameters, 1.0, duration_seconds=seconds)
        return load.bits_per_second

    wanted = {"name": "a.example", "is_every_transport_measured": True}
    assert estimate("dns", 10, **wanted) > estimate("dns", 10, name="a.example")
    web = {"max_body_bytes": 1_000_000, "interval_seconds": 3600}
    once = estimate("http", 10, **web, is_cache_measured=False, origin_url="http://a.example/")
    none = estimate("http", 10, **web, is_cache_measured=False)
    assert once - none == pytest.approx((estimate("http", 10, **web) - none) / 4)
