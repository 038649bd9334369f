import json
import os
import stat

import pytest
from django.db import OperationalError
from django_celery_beat.models import PeriodicTask

from apps.accounts.models import User
from apps.accounts.services import set_up_first_admin
from apps.clients.services import enrol_client, issue_enrolment_token, revoke_keys
from apps.operations import liveness, local_agent
from apps.operations.embedded import describe_welcome
from apps.operations.preparation import DjangoPreparation
from apps.operations.supervisor.child import Child
from apps.operations.supervisor.errors import CannotStartError
from apps.operations.supervisor.programs import Site
from apps.tests.models import Test

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "correct horse battery staple"


@pytest.fixture
def site(tmp_path):
    return Site(
        root=tmp_path / "code",
        var_dir=tmp_path,
        host="127.0.0.1",
        port=8000,
        is_sqlite=True,
        environment={"PATH": os.environ["PATH"], "DATABASE_URL": "postgresql://u:secret@db/x"},
    )


@pytest.fixture
def lines():
    return []


def make_preparation(site, lines, *, admin_password=""):
    return DjangoPreparation(
        site,
        admin_password=admin_password,
        report=lambda name, line: lines.append(f"{name}: {line}"),
    )


@pytest.fixture
def preparation(site, lines):
    return make_preparation(site, lines)


def enrol_local_agent(site):
    """What the agent's own program does: exchanges the token and keeps the answer."""
    _token, secret = issue_enrolment_token(name="agent of this machine")
    issued = enrol_client(
        token_secret=secret, name="here", agent_version="1", inventory={}, address="127.0.0.1"
    )
    folder = site.var_dir / "agent"
    folder.mkdir(exist_ok=True)
    identity = {
        "server_url": "http://127.0.0.1:8000",
        "client_id": str(issued.client.id),
        "key": issued.secret,
    }
    (folder / "agent.json").write_text(json.dumps(identity))
    return issued.client


def test_the_database_is_prepared_as_often_as_one_likes(preparation):
    preparation.prepare_database()
    preparation.prepare_database()
    assert PeriodicTask.objects.filter(task="apps.tests.tasks.plan_runs").count() == 1


def test_a_server_without_users_offers_one_setup_code(preparation):
    first, second = preparation.open_setup(), preparation.open_setup()
    assert first != second
    user = set_up_first_admin(code=second, username="boss", password=PASSWORD)
    assert user.is_superuser
    assert preparation.open_setup() is None


def test_a_given_password_makes_the_user_admin_and_no_code(site, lines):
    preparation = make_preparation(site, lines, admin_password=PASSWORD)
    assert preparation.open_setup() is None
    assert User.objects.get().check_password(PASSWORD)
    assert lines == ["swarm: created the user admin with the password given"]
    assert preparation.open_setup() is None
    assert User.objects.count() == 1


def test_a_weak_password_stops_the_start_with_its_reason(site, lines):
    with pytest.raises(CannotStartError, match="password"):
        make_preparation(site, lines, admin_password="123").open_setup()
    assert not User.objects.exists()


def test_a_database_that_is_away_stops_the_start_in_words(preparation, monkeypatch):
    def refuse(*_args, **_options):
        raise OperationalError("connection refused")

    monkeypatch.setattr("apps.operations.preparation.call_command", refuse)
    with pytest.raises(CannotStartError, match="the database cannot be used: connection refused"):
        preparation.prepare_database()


def test_a_new_agent_gets_its_token_by_its_input(preparation, site):
    enrolment = preparation.prepare_enrolment()
    secret = enrolment.standard_input.strip()
    assert secret
    assert secret not in " ".join(enrolment.argv)
    assert secret not in " ".join(enrolment.environment.values())
    assert stat.S_IMODE((site.var_dir / "agent").stat().st_mode) == 0o700


def test_an_enrolled_agent_is_started_without_enrolling_again(preparation, site):
    enrol_local_agent(site)
    assert preparation.prepare_enrolment() is None
    agent = preparation.prepare_agent()
    assert isinstance(agent, Child)
    assert "DATABASE_URL" not in agent.environment


def test_starter_tests_are_made_once_even_when_somebody_deletes_them(preparation, site):
    client = enrol_local_agent(site)
    preparation.prepare_agent()
    assert Test.objects.filter(assignments__client=client).exists()
    Test.objects.all().delete()
    preparation.prepare_agent()
    assert not Test.objects.exists()


def test_an_agent_that_could_not_enrol_is_left_out_with_a_message(preparation):
    assert preparation.prepare_enrolment() is not None
    assert "could not enrol" in preparation.prepare_agent()


def test_a_revoked_agent_is_left_out_with_the_way_back(preparation, site):
    client = enrol_local_agent(site)
    revoke_keys(client=client)
    message = preparation.prepare_agent()
    assert "key was revoked" in message
    assert str(site.var_dir / "agent") in message


def test_a_deleted_client_is_left_out_too(preparation, site):
    enrol_local_agent(site).delete()
    assert "client deleted" in preparation.prepare_agent()


def test_an_agent_follows_the_server_to_another_port(preparation, site):
    enrol_local_agent(site)
    path = site.var_dir / "agent" / "agent.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "server_url": "http://127.0.0.1:1"}))
    preparation.prepare_agent()
    assert json.loads(path.read_text()) == {**document, "server_url": site.address}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"client_id": "x", "key": "y"}'])
def test_a_damaged_identity_counts_as_none(tmp_path, content):
    (tmp_path / "agent.json").write_text(content)
    assert local_agent.read_identity(tmp_path) is None


def test_the_welcome_names_the_code_only_when_there_is_one():
    assert describe_welcome("http://h:1", None, ["agent left out"]) == (
        "StreamSwarm is ready at http://h:1/",
        "agent left out",
        "Press Ctrl-C to stop.",
    )
    assert "http://h:1/setup/" in " ".join(describe_welcome("http://h:1", "AB-CD", []))


def test_a_workers_mark_tells_its_age(tmp_path):
    assert liveness.read_worker_age_seconds(tmp_path) is None
    liveness.note_worker(tmp_path)
    assert 0 <= liveness.read_worker_age_seconds(tmp_path) < 60
