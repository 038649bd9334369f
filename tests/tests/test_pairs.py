"""Which two clients measure between each other: topologies, limits, and who comes and goes."""

from itertools import combinations, permutations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.configuration.services.settings import store_settings
from apps.core.errors import Conflict, Invalid
from apps.tests.algorithms.pairs import build_pairs, count_members, count_pairs
from apps.tests.algorithms.quotas import Limits
from apps.tests.models import Assignment, Run
from apps.tests.services import (
    assign_clients,
    change_test,
    choose_clients,
    choose_clients_everywhere,
    set_quota,
)
from apps.tests.services.quotas import measure_clients
from tests.factories.clients import INVENTORY, make_client, make_tag
from tests.factories.kinds import install_kinds
from tests.factories.pairs import list_ends_by_name, make_end, make_mesh, make_pair
from tests.factories.tests import define, make_test

IDS = st.uuids()
MEMBERS = st.sets(IDS, max_size=12)


# The shapes


@given(MEMBERS)
def test_a_mesh_both_ways_has_every_ordered_pair(members):
    pairs = build_pairs("mesh", "both", member_ids=members, hub_id=None)
    assert sorted(pairs) == sorted(permutations(members, 2))
    assert len(pairs) == count_pairs("mesh", "both", len(members))


@given(MEMBERS, IDS)
def test_a_mesh_one_way_has_each_two_once_and_keeps_who_began(members, newcomer):
    pairs = build_pairs("mesh", "out", member_ids=members, hub_id=None)
    couples = {frozenset(pair) for pair in combinations(members, 2)}
    assert {frozenset(pair) for pair in pairs} == couples
    assert len(pairs) == len(couples) == count_pairs("mesh", "out", len(members))
    assert set(pairs) <= set(
        build_pairs("mesh", "out", member_ids={*members, newcomer}, hub_id=None)
    )


@given(MEMBERS, IDS, st.sampled_from(["out", "back", "both"]))
def test_a_star_joins_its_hub_with_all_others(members, hub_id, directions):
    pairs = build_pairs("star", directions, member_ids={*members, hub_id}, hub_id=hub_id)
    others = members - {hub_id}
    there = {(hub_id, one) for one in others} if directions != "back" else set()
    back = {(one, hub_id) for one in others} if directions != "out" else set()
    assert set(pairs) == there | back
    assert len(pairs) == count_pairs("star", directions, len(others))


@given(st.sampled_from(["star", "mesh"]), st.sampled_from(["out", "both"]), st.integers(0, 3000))
def test_the_most_members_are_those_whose_pairs_still_fit(topology, directions, limit):
    most = count_members(topology, directions, limit)
    assert count_pairs(topology, directions, most) <= limit
    assert count_pairs(topology, directions, most + 1) > limit


def test_initiating_is_spread_over_a_mesh():
    members = [UUID(int=number * 7919) for number in range(30)]
    pairs = build_pairs("mesh", "out", member_ids=members, hub_id=None)
    counts = [sum(first == one for first, _second in pairs) for one in members]
    assert max(counts) < 25


# Defining and booking


@pytest.fixture(autouse=True)
def kinds(monkeypatch):
    install_kinds(monkeypatch)


@pytest.fixture
def ends(db):
    return [make_end(name) for name in ("a", "b", "c", "d")]


def list_faults(caught):
    return {(error.field, error.code) for error in caught.value.errors}


def test_a_pair_is_one_assignment_with_its_far_end(ends):
    row = make_pair(ends[0], ends[1])
    assert (row.client, row.peer, row.is_paired) == (ends[0], ends[1], True)
    assert row.source is not None
    assert (row.test.target, row.test.directions) == (None, "out")


@pytest.mark.parametrize(
    ("directions", "expected"),
    [
        ("out", [("a", "b"), ("a", "c")]),
        ("back", [("b", "a"), ("c", "a")]),
        ("both", [("a", "b"), ("a", "c"), ("b", "a"), ("c", "a")]),
    ],
)
def test_a_star_measures_in_the_directions_asked_for(ends, directions, expected):
    hub, *others = ends[:3]
    test = make_test(
        "Star", *others, kind="talk", target="", topology="star", hub_id=hub.id,
        directions=directions,
    )  # fmt: skip
    assert list_ends_by_name(test) == expected


def test_every_pair_of_a_mesh_has_numbers_of_its_own(ends):
    test = make_mesh(*ends)
    assert len(list_ends_by_name(test)) == 12
    assert Assignment.objects.values("source").distinct().count() == 12


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"topology": ""}, ("topology", "required")),
        ({"topology": "ring"}, ("topology", "required")),
        ({"hub_id": None}, ("hub", "required")),
        ({"hub_id": UUID(int=5)}, ("hub", "unknown")),
        ({"directions": "up"}, ("directions", "unknown")),
        ({"topology": "mesh", "directions": "back"}, ("directions", "not_applicable")),
        ({"selection_kind": "all"}, ("selection_kind", "not_applicable")),
        ({"selection_kind": "any", "wanted_clients": 2}, ("wanted_clients", "out_of_range")),
        ({"peer_address": "example.org"}, ("peer_address", "malformed")),
        ({"topology": "star", "peer_address": "192.0.2.1"}, ("peer_address", "not_applicable")),
    ],
)
def test_what_is_wrong_with_participants_names_its_field(fields, fault):
    hub = make_end("hub")
    with pytest.raises(Invalid) as caught:
        make_test(
            **{
                "name": "Pair", "kind": "talk", "target": "", "topology": "pair",
                "hub_id": hub.id, **fields,
            }
        )  # fmt: skip
    assert fault in list_faults(caught)


@pytest.mark.parametrize(
    ("topology", "named", "code"),
    [("pair", "bc", "too_many"), ("star", "ab", "is_hub"), ("mesh", "b", "too_few")],
)
def test_named_clients_must_fit_the_topology(ends, topology, named, code):
    by_name = {client.name: client for client in ends}
    with pytest.raises(Invalid) as caught:
        make_test(
            "Odd", *(by_name[name] for name in named), kind="talk", target="", topology=topology,
            hub_id=ends[0].id,
        )  # fmt: skip
    assert ("clients", code) in list_faults(caught)


def test_too_many_pairs_are_refused_with_the_limit(ends):
    store_settings(values={"pairs_per_test": 11})
    with pytest.raises(Invalid) as caught:
        make_mesh(*ends)
    (error,) = caught.value.errors
    assert (error.field, error.code) == ("clients", "too_many_pairs")
    assert error.detail == "must make at most 11 pairs, and these make 12"


def test_a_kind_for_one_keeps_no_participants(ends):
    test = make_test("Alone", ends[0], topology="mesh", hub_id=ends[1].id, directions="both")
    assert (test.topology, test.hub, test.directions) == ("", None, "")
    assert list_ends_by_name(test) == [("a", None)]


def test_who_comes_back_to_a_mesh_finds_its_history_again(ends):
    test = make_mesh(*ends[:3])
    before = {(row.client_id, row.peer_id): row.id for row in test.assignments.all()}
    assign_clients(test=test, clients=ends[:2])
    assert list_ends_by_name(test) == [("a", "b"), ("b", "a")]
    assign_clients(test=test, clients=ends[:3])
    assert {(row.client_id, row.peer_id): row.id for row in test.assignments.all()} == before


def test_another_hub_takes_over_all_pairs(ends):
    row = make_pair(ends[0], ends[1])
    fields = {"kind": "talk", "target": "", "topology": "pair"}
    changed = change_test(row.test, define("Pair", hub_id=ends[2].id, **fields))
    assert list_ends_by_name(changed) == [("c", "b")]


def test_a_test_of_one_becomes_a_mesh_of_the_same_clients(ends):
    test = make_test("Loopback", *ends[:2])
    changed = change_test(test, define(kind="talk", target="", topology="mesh"))
    assert list_ends_by_name(changed) == [("a", "b"), ("b", "a")]
    back = change_test(changed, define())
    assert list_ends_by_name(back) == [("a", None), ("b", None)]


# By a rule


@pytest.fixture
def tagged(ends):
    for client in ends:
        client.tags.set([make_tag("edge")])
    return ends


def make_rule(kind="all", **fields):
    return make_test(
        "Rule", kind="talk", target="", selection_kind=kind, selector={"tags": ["edge"]}, **fields
    )


def test_a_mesh_by_a_rule_grows_and_shrinks_with_its_clients(tagged):
    test = make_rule(topology="mesh", directions="out")
    assert len(list_ends_by_name(test)) == 6
    late = make_end("e")
    late.tags.set([make_tag("edge")])
    choose_clients_everywhere()
    assert len(list_ends_by_name(test)) == 10
    tagged[0].tags.clear()
    choose_clients_everywhere()
    assert len(list_ends_by_name(test)) == 6
    assert "a" not in {name for pair in list_ends_by_name(test) for name in pair}


def test_looking_again_changes_nothing(tagged):
    make_rule(topology="mesh")
    assert choose_clients_everywhere() == 0


def test_a_hub_that_matches_as_well_is_no_far_end_of_its_own(tagged):
    test = make_rule(topology="star", hub_id=tagged[0].id)
    assert list_ends_by_name(test) == [("a", "b"), ("a", "c"), ("a", "d")]


def test_who_cannot_answer_is_left_out_with_the_reason(tagged):
    old = make_client("old", tags=["edge"], inventory={**INVENTORY, "probes": ["talk"]})
    test = make_rule(topology="mesh")
    assert old.name not in {name for pair in list_ends_by_name(test) for name in pair}
    assert test.selection_note == "old its agent does not answer Talk"


def test_who_only_answers_need_not_be_able_to_initiate(tagged):
    mute = make_end("mute", inventory={**INVENTORY, "responder": {"port": 9, "kinds": ["talk"]}})
    mute.inventory_hash = "mute"
    mute.save()
    mute.tags.set([make_tag("edge")])
    assert ("a", "mute") in list_ends_by_name(make_rule(topology="star", hub_id=tagged[0].id))


def test_a_hub_that_cannot_take_part_is_named(tagged):
    hub = make_client("old-hub", inventory=INVENTORY)
    test = make_rule(topology="star", hub_id=hub.id)
    assert list_ends_by_name(test) == []
    assert (
        test.selection_note == "the hub old-hub cannot take part: its agent has no probe for Talk"
    )


def test_the_limit_of_pairs_cuts_a_rule_and_says_so(tagged):
    store_settings(values={"pairs_per_test": 6})
    test = make_rule(topology="mesh")
    assert len(list_ends_by_name(test)) == 6
    assert "the limit of 6 pairs a test allows no more clients" in test.selection_note
    assert not choose_clients(test=test)


def test_a_pair_by_a_rule_takes_any_one(tagged):
    test = make_rule(kind="any", wanted_clients=1, topology="pair", hub_id=tagged[3].id)
    assert len(list_ends_by_name(test)) == 1


def test_pairs_with_a_deleted_client_end_and_keep_their_history(tagged):
    test = make_mesh(*tagged[:3])
    rows = dict(test.assignments.values_list("id", "client__name"))
    tagged[1].deleted_at = tagged[1].enrolled_at
    tagged[1].save()
    choose_clients_everywhere()
    assert list_ends_by_name(test) == [("a", "c"), ("c", "a")]
    tagged[1].delete()
    kept = test.assignments.filter(is_paired=True, peer=None)
    assert {rows[row.id] for row in kept} == {"a", "c"}
    assert {str(row) for row in kept} == {"Mesh @ a", "Mesh @ c"}
    assign_clients(test=test, clients=[tagged[0], tagged[2], tagged[3]])
    assert len(list_ends_by_name(test)) == 6


# Quotas


def test_both_ends_bear_the_load_of_their_pairs(ends):
    test = make_mesh(*ends[:3])
    uses = measure_clients()
    one = uses[ends[0].id]
    assert one.tests == 1
    # 10 packets a second, in two pairs, both ways.
    assert one.packets_per_second == pytest.approx(4 * 10)
    assert measure_clients([ends[0].id]) == {ends[0].id: one}
    assert Run.objects.filter(assignment__test=test).exists()


def test_a_far_end_without_room_refuses_the_pair(ends):
    set_quota(scope="client", client=ends[1], limits=Limits(packets_per_second=9))
    with pytest.raises(Conflict, match="client b: 9 packets/s allowed, has 0, this makes 10"):
        make_pair(ends[0], ends[1])
