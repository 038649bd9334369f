"""The audit: every change is there, and a changed entry is found out."""

import pytest
from django.db import connection

from apps.accounts import triggers
from apps.accounts.actors import Actor, act_as, read_actor
from apps.accounts.models import AuditEntry, AuditHead
from apps.accounts.services import record_audit
from apps.accounts.services.audit import FIRST_DIGEST, seal_entry
from apps.clients.services import create_site, create_tag
from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.clients import make_client, make_site
from tests.factories.threads import run_together

pytestmark = pytest.mark.django_db


def is_sound(entries):
    """Whether each entry has its own seal, and the one of the entry before it."""
    previous = FIRST_DIGEST
    for entry in entries:
        if entry.previous_digest != previous or entry.digest != seal_entry(entry):
            return False
        previous = entry.digest
    return AuditHead.objects.get().digest == previous


def read_chain():
    return list(AuditEntry.objects.order_by("id"))


@pytest.fixture
def tampering():
    """What somebody may do who can alter the schema."""
    with connection.cursor() as cursor:
        for statement in triggers.DROP[connection.vendor]:
            cursor.execute(statement)


@pytest.fixture
def chain():
    for slug in ("a", "b", "c"):
        create_site(slug=slug, name=slug.upper())
    return read_chain()


def test_the_chain_is_sealed_from_its_first_entry_to_its_head(chain):
    assert chain[0].previous_digest == FIRST_DIGEST
    assert AuditHead.objects.get().count == 3
    assert is_sound(chain)


@pytest.mark.parametrize(
    "change",
    [
        {"actor_label": "somebody else"},
        {"action": "delete"},
        {"address": "192.0.2.99"},
        {"object_label": "x"},
        {"after": {"slug": "z"}},
        {"before": {"slug": "z"}},
        {"via": "ui"},
    ],
)
@pytest.mark.usefixtures("chain", "tampering")
def test_an_entry_that_was_changed_afterwards_is_found(change):
    AuditEntry.objects.filter(id=read_chain()[1].id).update(**change)
    assert not is_sound(read_chain())


@pytest.mark.usefixtures("chain", "tampering")
@pytest.mark.parametrize("number", [0, 1, 2])
def test_an_entry_that_was_taken_out_is_found(number):
    read_chain()[number].delete()
    assert not is_sound(read_chain())


def test_entries_in_another_order_are_found(chain):
    assert not is_sound([chain[1], chain[0], chain[2]])


@pytest.mark.django_db(transaction=True)
def test_changes_at_the_same_moment_make_one_unbroken_chain():
    site = make_site()

    def change(number):
        record_audit(action="change", target=site, after={"number": number})

    run_together(8, change)
    assert len(read_chain()) == 8
    assert is_sound(read_chain())


def test_outside_of_any_door_the_server_acts():
    assert read_actor().label == "server"
    create_tag(slug="edge", name="Edge")
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.actor_label, entry.via) == (None, "server", "system")


def test_whoever_acts_is_written_down():
    user = make_user("ann")
    actor = Actor(label="ann", via=AuditEntry.Via.UI, user=user, address="192.0.2.1")
    with act_as(actor):
        create_tag(slug="edge", name="Edge")
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.via, entry.address) == (user, "ui", "192.0.2.1")
    assert read_actor().label == "server"


@pytest.mark.parametrize("is_by_token", [True, False])
def test_a_change_through_the_api_names_its_user(client, is_by_token):
    user = make_user("ann", "operator")
    probe = make_client()
    options = bearer(make_token(user, "write")) if is_by_token else {}
    if not is_by_token:
        client.force_login(user)
    path = f"/api/v1/clients/{probe.id}/"
    answer = client.patch(path, {"name": "new"}, content_type="application/json", **options)
    assert answer.status_code == 200, answer.content
    entry = AuditEntry.objects.filter(object_type="client").get()
    assert (entry.actor, entry.via, entry.address) == (user, "api", "127.0.0.1")
    assert (entry.before["name"], entry.after["name"]) == ("probe-1", "new")


def test_an_overlong_name_is_cut_and_not_refused():
    probe = make_client("x" * 100)
    with act_as(Actor(label="y" * 500, via=AuditEntry.Via.UI)):
        entry = record_audit(action="look", target=probe)
    assert len(entry.actor_label) == 200


def test_an_entry_outlives_its_user():
    user = make_user("ann")
    with act_as(Actor(label="ann", via=AuditEntry.Via.UI, user=user)):
        create_tag(slug="edge", name="Edge")
    user.delete()
    entry = AuditEntry.objects.get()
    assert (entry.actor_label, entry.action) == ("ann", "create")
