"""What a process remembers of agents' keys, and for how long."""

from datetime import timedelta

import pytest
import time_machine

from apps.clients.models import Client, Key
from apps.clients.services import revoke_keys, rotate_key
from apps.core.clock import read_now
from apps.core.errors import NotAuthenticated
from apps.ingest import known_keys
from apps.ingest.known_keys import KnownKeys
from tests.factories.clients import make_client, make_key

pytestmark = pytest.mark.django_db


class Clock:
    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def keys(clock):
    return KnownKeys(clock)


def test_keys_in_use_are_asked_about_together_and_not_for_each_call(
    keys, clock, django_assert_num_queries
):
    probes = [make_client(name=f"probe-{number}") for number in range(3)]
    secrets = {make_key(probe): probe.id for probe in probes}
    for secret, client_id in secrets.items():
        assert keys.identify(secret).client_id == client_id
    with django_assert_num_queries(0):
        for secret, client_id in secrets.items():
            assert keys.identify(secret).client_id == client_id
    clock.seconds += known_keys.CHECK_SECONDS
    with django_assert_num_queries(1):
        for secret, client_id in secrets.items():
            assert keys.identify(secret).client_id == client_id


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda probe: revoke_keys(client=probe), "key_revoked"),
        (lambda probe: rotate_key(client=probe, overlap=timedelta(0)), "key_expired"),
        (lambda probe: Key.objects.filter(client=probe).delete(), "key_unknown"),
        (lambda probe: Client.objects.filter(id=probe.id).delete(), "key_unknown"),
        (lambda probe: Key.objects.filter(client=probe).update(digest="0" * 64), "key_unknown"),
    ],
)
def test_a_key_that_ends_anyhow_is_refused_at_the_next_check(keys, clock, end, code):
    probe = make_client()
    secret = make_key(probe)
    keys.identify(secret)
    end(probe)
    clock.seconds += known_keys.CHECK_SECONDS
    with pytest.raises(NotAuthenticated) as refusal:
        keys.identify(secret)
    assert refusal.value.code == code


def test_a_key_whose_end_is_known_ends_without_a_check(keys):
    probe = make_client()
    secret = make_key(probe)
    rotate_key(client=probe, overlap=timedelta(seconds=1))
    with time_machine.travel(read_now(), tick=False) as traveller:
        keys.identify(secret)
        traveller.shift(1.5)
        with pytest.raises(NotAuthenticated, match="replaced by a newer one"):
            keys.identify(secret)


def test_a_right_prefix_with_another_secret_opens_nothing(keys):
    secret = make_key(make_client())
    keys.identify(secret)
    with pytest.raises(NotAuthenticated):
        keys.identify(secret.partition(".")[0] + "." + "x" * 43)
    assert keys.identify(secret)


def test_while_a_check_goes_on_what_is_known_counts_for_four_seconds_and_no_longer(
    keys, clock, monkeypatch
):
    """Every call that begins while another thread's question has no answer yet."""
    probe = make_client()
    secret = make_key(probe)
    keys.identify(secret)
    answers = []

    def ask_slowly(prefixes):
        for waited_seconds in (1.0, 1.5):
            clock.seconds += waited_seconds
            try:
                answers.append(keys.identify(secret).client_id)
            except NotAuthenticated as refusal:
                answers.append(refusal.code)
        return find_holders(prefixes)

    find_holders = known_keys.find_holders
    revoke_keys(client=probe)
    clock.seconds += known_keys.CHECK_SECONDS
    monkeypatch.setattr(known_keys, "find_holders", ask_slowly)
    with pytest.raises(NotAuthenticated):
        keys.identify(secret)
    assert answers == [probe.id, "key_revoked"]


def test_a_key_that_is_no_longer_used_is_no_longer_asked_about(
    keys, clock, django_assert_num_queries
):
    secret = make_key(make_client())
    keys.identify(secret)
    clock.seconds += known_keys.FORGET_SECONDS + 1
    with pytest.raises(NotAuthenticated):
        keys.identify("nobody.knows")
    clock.seconds += known_keys.CHECK_SECONDS
    with django_assert_num_queries(1), pytest.raises(NotAuthenticated):
        keys.identify("nobody.knows")
