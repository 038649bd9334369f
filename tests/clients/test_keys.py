"""Keys beside the first one: added, ended one by one, rotated with an overlap."""

from datetime import timedelta

import pytest

from apps.accounts.models import AuditEntry
from apps.clients.models import Client, Key
from apps.clients.selectors import get_key
from apps.clients.services import (
    add_key,
    delete_client,
    identify_key,
    revoke_key,
    revoke_keys,
    rotate_key,
)
from apps.clients.services.keys import MAXIMUM_VALID_KEYS
from apps.core.clock import read_now
from apps.core.errors import Conflict, Invalid, NotAuthenticated, NotFound
from tests.factories.clients import make_client, make_key

pytestmark = pytest.mark.django_db


def test_one_more_key_works_beside_the_first():
    probe = make_client()
    first = make_key(probe)
    second = add_key(client=probe)
    assert identify_key(first).client_id == identify_key(second).client_id == probe.id
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.after) == ("add_key", {"key": second[:8]})


def test_a_client_has_only_so_many_valid_keys():
    probe = make_client()
    for _ in range(MAXIMUM_VALID_KEYS):
        add_key(client=probe)
    with pytest.raises(Conflict) as caught:
        add_key(client=probe)
    assert (caught.value.code, caught.value.data["limit"]) == ("too_many_keys", 10)
    revoke_keys(client=probe)
    assert identify_key(add_key(client=probe))


def test_a_rotation_obeys_the_limit_and_undoes_itself():
    probe = make_client()
    for _ in range(MAXIMUM_VALID_KEYS):
        rotate_key(client=probe, overlap=timedelta(days=7))
    ends = sorted(Key.objects.exclude(expires_at=None).values_list("expires_at", flat=True))
    with pytest.raises(Conflict) as caught:
        rotate_key(client=probe, overlap=timedelta(minutes=1))
    assert (caught.value.code, caught.value.data["limit"]) == ("too_many_keys", 10)
    kept = Key.objects.exclude(expires_at=None).values_list("expires_at", flat=True)
    assert (sorted(kept), Key.objects.count()) == (ends, MAXIMUM_VALID_KEYS)
    assert identify_key(rotate_key(client=probe, overlap=timedelta()))


def test_a_deleted_client_gets_no_key():
    probe = make_client()
    stale = Client.objects.get()
    delete_client(client=probe)
    for make in (add_key, rotate_key):
        with pytest.raises(NotFound):
            make(client=stale)
    assert not Key.objects.exists()


def test_one_key_ends_and_the_other_stays():
    probe = make_client()
    gone, kept = make_key(probe), make_key(probe)
    key = get_key(probe, gone[:8])
    revoke_key(client=probe, key=key)
    with pytest.raises(NotAuthenticated):
        identify_key(gone)
    assert identify_key(kept).client_id == probe.id
    revoke_key(client=probe, key=key)
    assert [entry.after for entry in AuditEntry.objects.all()] == [{"key": gone[:8]}]


def test_a_key_of_another_client_is_not_ended():
    probe, other = make_client("one"), make_client("two")
    theirs = make_key(other)
    with pytest.raises(NotFound):
        get_key(probe, theirs[:8])
    revoke_key(client=probe, key=Key.objects.get())
    assert identify_key(theirs).client_id == other.id


def test_a_rotation_without_overlap_ends_the_earlier_keys_now():
    probe = make_client()
    old = make_key(probe)
    new = rotate_key(client=probe, overlap=timedelta())
    with pytest.raises(NotAuthenticated) as caught:
        identify_key(old)
    assert caught.value.code == "key_expired"
    assert identify_key(new).client_id == probe.id


def test_a_shorter_overlap_ends_a_key_that_would_have_lived_on():
    probe = make_client()
    make_key(probe)
    rotate_key(client=probe, overlap=timedelta(days=1))
    rotate_key(client=probe, overlap=timedelta(minutes=1))
    limit = read_now() + timedelta(minutes=1)
    ends = [key.expires_at for key in Key.objects.exclude(expires_at=None)]
    assert len(ends) == 2
    assert all(end <= limit for end in ends)


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), timedelta(days=7, seconds=1)])
def test_an_overlap_out_of_range_is_refused_with_the_limit(overlap):
    probe = make_client()
    make_key(probe)
    with pytest.raises(Invalid) as caught:
        rotate_key(client=probe, overlap=overlap)
    assert "604800" in caught.value.detail
    assert Key.objects.count() == 1
