"""How agents get in: a token, once, in time, from the right network."""

from datetime import timedelta

import pytest
import time_machine

from apps.accounts.models import AuditEntry
from apps.clients.models import Client, EnrolmentToken, Key
from apps.clients.services import (
    enrol_client,
    identify_key,
    issue_enrolment_token,
    revoke_enrolment_token,
    revoke_keys,
    rotate_key,
)
from apps.core.clock import read_now
from apps.core.errors import Invalid, NotAuthenticated
from tests.factories.clients import (
    INVENTORY,
    make_client,
    make_enrolment,
    make_key,
    make_site,
    make_tag,
)
from tests.factories.threads import run_together

pytestmark = pytest.mark.django_db


def enrol(secret, name="new", address="192.0.2.10"):
    return enrol_client(
        token_secret=secret,
        name=name,
        agent_version="1",
        inventory=INVENTORY,
        address=address,
    )


def refused_code(secret, **options):
    with pytest.raises(NotAuthenticated) as caught:
        enrol(secret, **options)
    return caught.value.code


def test_a_token_lets_one_agent_in_with_its_site_and_tags():
    secret = make_enrolment(site=make_site(), tags=[make_tag()])
    issued = enrol(secret)
    assert issued.client.site.slug == "vienna"
    assert [tag.slug for tag in issued.client.tags.all()] == ["edge"]
    assert identify_key(issued.secret).client_id == issued.client.id


def test_a_token_is_used_once():
    secret = make_enrolment()
    enrol(secret)
    assert refused_code(secret) == "token_used"
    assert Client.objects.count() == 1


def test_a_token_for_several_is_used_as_often():
    secret = make_enrolment(max_uses=3)
    for _ in range(3):
        enrol(secret)
    assert refused_code(secret) == "token_used"


def test_an_unknown_token_is_refused():
    make_enrolment()
    assert refused_code("x" * 43) == "token_unknown"
    assert refused_code("half \ud800") == "token_unknown"


def test_an_expired_token_is_refused():
    secret = make_enrolment(life=timedelta(hours=1))
    with time_machine.travel(read_now() + timedelta(hours=1, seconds=1)):
        assert refused_code(secret) == "token_expired"


def test_a_revoked_token_is_refused():
    secret = make_enrolment()
    revoke_enrolment_token(token=EnrolmentToken.objects.get())
    assert refused_code(secret) == "token_revoked"


@pytest.mark.parametrize(
    ("network", "address", "is_let_in"),
    [
        ("192.0.2.0/24", "192.0.2.200", True),
        ("192.0.2.0/24", "192.0.3.1", False),
        ("192.0.2.0/24", "::ffff:192.0.2.5", True),
        ("2001:db8::/32", "2001:db8::1", True),
        ("2001:db8::/32", "192.0.2.1", False),
        ("192.0.2.0/24", "", False),
        ("192.0.2.0/24", "unix:", False),
    ],
)
def test_a_token_for_a_network_lets_only_its_hosts_in(network, address, is_let_in):
    secret = make_enrolment(allowed_network=network)
    if is_let_in:
        assert enrol(secret, address=address).client.last_address == address
    else:
        assert refused_code(secret, address=address) == "token_network"
        assert EnrolmentToken.objects.get().uses == 0


@pytest.mark.django_db(transaction=True)
def test_a_token_used_by_many_at_once_counts_once():
    secret = make_enrolment()

    def attempt(number):
        try:
            return enrol(secret, name=f"agent-{number}").client.name
        except NotAuthenticated as error:
            return error.code

    outcomes = run_together(10, attempt)
    assert outcomes.count("token_used") == 9
    assert Client.objects.count() == Key.objects.count() == 1
    assert EnrolmentToken.objects.get().uses == 1


def test_a_taken_name_gets_a_number():
    names = [enrol(make_enrolment(), name="host").client.name for _ in range(3)]
    assert names == ["host", "host-2", "host-3"]
    long = [enrol(make_enrolment(), name="x" * 100).client.name for _ in range(2)]
    assert len(set(long)) == 2
    assert all(len(name) <= 100 for name in long)


def test_enrolment_is_written_down_as_done_by_the_agent():
    enrol(make_enrolment(name="roll-out"))
    entry = AuditEntry.objects.filter(action="enrol").get()
    assert (entry.via, entry.address) == ("agent", "192.0.2.10")
    assert entry.after["token"] == "roll-out"


def test_the_database_holds_no_token_and_no_key():
    secret = make_enrolment()
    issued = enrol(secret)
    stored = [
        str(list(model.objects.values())) for model in (EnrolmentToken, Key, Client, AuditEntry)
    ]
    assert not any(secret in text or issued.secret in text for text in stored)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"life": timedelta(seconds=59)}, "life"),
        ({"life": timedelta(days=31)}, "life"),
        ({"max_uses": 0}, "max_uses"),
        ({"max_uses": 10_001}, "max_uses"),
        ({"allowed_network": "here"}, "allowed_network"),
        ({"allowed_network": "192.0.2.1/24"}, "allowed_network"),
    ],
)
def test_a_wrong_token_names_its_field(change, field):
    with pytest.raises(Invalid) as caught:
        issue_enrolment_token(**{"name": "x", **change})
    assert [error.field for error in caught.value.errors] == [field]
    assert not EnrolmentToken.objects.exists()


def test_a_rotated_key_overlaps_with_the_old_one():
    probe = make_client()
    old = make_key(probe)
    with time_machine.travel(read_now(), tick=False) as traveller:
        new = rotate_key(client=probe, overlap=timedelta(minutes=10))
        assert identify_key(old).client_id == identify_key(new).client_id == probe.id
        traveller.shift(600)
        with pytest.raises(NotAuthenticated) as caught:
            identify_key(old)
        assert caught.value.code == "key_expired"
        assert identify_key(new).client_id == probe.id


def test_rotating_again_does_not_prolong_the_first_key():
    probe = make_client()
    oldest = make_key(probe)
    with time_machine.travel(read_now(), tick=False) as traveller:
        rotate_key(client=probe, overlap=timedelta(minutes=10))
        traveller.shift(300)
        rotate_key(client=probe, overlap=timedelta(minutes=10))
        traveller.shift(301)
        with pytest.raises(NotAuthenticated):
            identify_key(oldest)


def test_revoking_ends_every_key_of_that_client_only():
    probe, other = make_client("one"), make_client("two")
    keys = [make_key(probe), rotate_key(client=probe)]
    kept = make_key(other)
    assert revoke_keys(client=probe) == 2
    for key in keys:
        with pytest.raises(NotAuthenticated) as caught:
            identify_key(key)
        assert caught.value.code == "key_revoked"
    assert identify_key(kept).client_id == other.id
    assert revoke_keys(client=probe) == 0


@pytest.mark.parametrize(
    "change", [str.upper, lambda key: key[:-1], lambda key: key + "x", lambda key: key[:9]]
)
def test_a_key_that_is_nearly_right_is_unknown(change):
    key = make_key(make_client())
    with pytest.raises(NotAuthenticated) as caught:
        identify_key(change(key))
    assert caught.value.code == "key_unknown"


@pytest.mark.django_db(transaction=True)
def test_hosts_of_one_name_that_enrol_at_once_get_a_name_each():
    secret = make_enrolment(max_uses=8)
    names = run_together(8, lambda _number: enrol(secret, name="host").client.name)
    assert sorted(names) == ["host", *[f"host-{n}" for n in range(2, 9)]]
