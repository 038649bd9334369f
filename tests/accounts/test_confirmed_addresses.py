"""An address counts as confirmed when somebody who administers users set it."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from apps.accounts.actors import Actor, act_as
from apps.accounts.models import User
from apps.accounts.services import Grant, accept_invitation, change_user, create_user, invite
from apps.accounts.services.preferences import change_profile
from tests.factories.accounts import PASSWORD, make_user

BEFORE = [("accounts", "0005_kept_audit_head"), ("reports", "0001_initial")]
ADDRESS, OTHER = "ann@example.org", "rival@example.com"


def change(user, email):
    change_user(user=user, username=user.username, email=email, first_name="", last_name="")
    user.refresh_from_db()
    return user.confirmed_email


@pytest.mark.django_db
def test_the_address_of_a_new_user_and_of_an_invitation_is_confirmed():
    assert create_user(username="ann", email=ADDRESS).confirmed_email == ADDRESS
    boss = make_user("boss", "admin")
    _row, secret = invite(email=OTHER, grants=[Grant("viewer")], invited_by=boss)
    bea = accept_invitation(
        secret=secret, username="bea", first_name="", last_name="", password=PASSWORD
    )
    assert bea.confirmed_email == OTHER


@pytest.mark.django_db
def test_an_address_that_its_user_chose_waits_for_an_administrator():
    ann = create_user(username="ann", email=ADDRESS)
    change_profile(user=ann, changes={"email": OTHER})
    ann.refresh_from_db()
    assert (ann.email, ann.confirmed_email) == (OTHER, ADDRESS)
    assert change(ann, OTHER) == OTHER
    assert change(ann, "") == ""


@pytest.mark.django_db
def test_an_address_that_is_saved_in_the_console_is_confirmed(client):
    client.force_login(make_user("boss", "admin", is_staff=True))
    ann = make_user("ann", "viewer")
    rows = {f"roles-{name}_FORMS": number for name, number in (("TOTAL", 0), ("INITIAL", 0))}
    form = {"username": "ann", "email": ADDRESS, "is_active": "on", "theme": "system", **rows}
    joined = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00"}
    url = f"/admin/accounts/user/{ann.pk}/change/"
    assert client.post(url, {**form, **joined}).status_code == 302
    ann.refresh_from_db()
    assert ann.confirmed_email == ADDRESS


def test_stored_addresses_are_confirmed_but_for_those_of_their_users_choice(transactional_db):
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    ann, bea = make_user("ann", "viewer"), make_user("bea", "viewer")
    with act_as(Actor(label="ann", via="ui", user=ann)):
        change_profile(user=ann, changes={"email": OTHER})
    change(bea, ADDRESS)
    try:
        MigrationExecutor(connection).migrate(BEFORE)
    finally:
        MigrationExecutor(connection).migrate(newest)
    assert User.objects.get(username="ann").confirmed_email == ""
    assert User.objects.get(username="bea").confirmed_email == ADDRESS
