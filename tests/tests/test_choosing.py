"""Choosing clients for a test, as pure computation: what holds for any candidates."""

from collections import Counter
from dataclasses import replace
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from apps.tests.algorithms.selection import Candidate, choose_all, choose_any

candidates = st.lists(
    st.builds(
        Candidate,
        client_id=st.uuids(),
        site=st.sampled_from(["", "vienna", "berlin"]),
        is_assigned=st.booleans(),
        is_online=st.booleans(),
        is_offline=st.booleans(),
        is_capable=st.booleans(),
        has_room=st.booleans(),
        booked=st.floats(0, 3),
    ).map(lambda one: replace(one, is_offline=one.is_offline and not one.is_online)),
    max_size=12,
    unique_by=lambda one: one.client_id,
)
wanted_counts = st.integers(1, 8)


def assign(found, chosen):
    return [replace(one, is_assigned=one.client_id in chosen) for one in found]


@given(candidates, wanted_counts)
def test_never_more_than_wanted_are_chosen_and_only_of_those_that_can(found, wanted):
    chosen = choose_any(found, wanted)
    able = {one.client_id for one in found if one.is_capable}
    assert len(chosen) == len(set(chosen)) <= wanted
    assert set(chosen) <= able


@given(candidates, wanted_counts)
def test_nothing_moves_when_nothing_changed(found, wanted):
    chosen = set(choose_any(found, wanted))
    assert set(choose_any(assign(found, chosen), wanted)) == chosen


@given(candidates, wanted_counts)
def test_who_has_it_and_is_there_keeps_it(found, wanted):
    chosen = set(choose_any(found, wanted))
    kept = [one.client_id for one in found if one.is_kept]
    assert len(chosen & set(kept)) == min(len(kept), wanted)


@given(candidates, wanted_counts)
def test_an_offline_one_is_kept_only_when_there_is_nobody_better(found, wanted):
    chosen = set(choose_any(found, wanted))
    away = [one for one in found if one.client_id in chosen and one.is_offline]
    waiting = [one for one in found if one.is_eligible and one.client_id not in chosen]
    assert not away or not [one for one in waiting if not one.is_assigned]


@given(candidates, wanted_counts)
def test_places_that_are_free_are_filled_as_far_as_possible(found, wanted):
    usable = [
        one
        for one in found
        if one.is_capable and (one.is_assigned or (one.is_online and one.has_room))
    ]
    assert len(choose_any(found, wanted)) == min(wanted, len(usable))


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=12), wanted_counts)
def test_new_clients_are_spread_over_sites(sites, wanted):
    found = [
        Candidate(UUID(int=number), site, False, True, False, True, True, booked=number / 10)
        for number, site in enumerate(sites)
    ]
    where = {one.client_id: one.site for one in found}
    counts = Counter(where[client_id] for client_id in choose_any(found, wanted))
    left = Counter(sites) - counts
    for site, count in counts.items():
        assert all(counts[other] >= count - 1 for other in left if other != site)


@given(candidates)
def test_all_means_whoever_can_and_has_room_or_has_it(found):
    expected = {
        one.client_id for one in found if one.is_capable and (one.has_room or one.is_assigned)
    }
    assert set(choose_all(found)) == expected


def test_within_a_site_the_least_booked_is_taken():
    found = [
        Candidate(UUID(int=number), "a", False, True, False, True, True, booked=booked)
        for number, booked in enumerate([0.5, 0.1, 0.3])
    ]
    assert choose_any(found, 2) == (UUID(int=1), UUID(int=2))
