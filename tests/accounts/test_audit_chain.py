"""The chain is verified, and whatever was done to it is named."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from apps.accounts import triggers
from apps.accounts.models import AuditCheck, AuditEntry, AuditHead
from apps.accounts.services import publish_head, verification, verify_audit
from apps.accounts.services.verification import Head, is_guarded, read_head
from apps.accounts.tasks import publish_audit_head
from apps.clients.services import create_tag

pytestmark = pytest.mark.django_db


@pytest.fixture
def chain():
    for number in range(6):
        create_tag(slug=f"t{number}", name=f"T{number}")
    return list(AuditEntry.objects.order_by("id"))


@pytest.fixture
def tampering():
    """What somebody may do who can alter the schema."""
    with connection.cursor() as cursor:
        for statement in triggers.DROP[connection.vendor]:
            cursor.execute(statement)


def change(entry, **values):
    AuditEntry.objects.filter(id=entry.id).update(**values)


def remove(entry):
    AuditEntry.objects.filter(id=entry.id).delete()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 7])
def test_a_sound_chain_is_followed_to_its_head(chain, monkeypatch, size):
    monkeypatch.setattr(verification, "ROWS_AT_ONCE", size)
    walk = verify_audit()
    assert (walk.fault, walk.count, walk.last_id) == (None, 6, chain[-1].id)
    assert walk.digest == AuditHead.objects.get().digest
    check = AuditCheck.objects.get()
    assert (check.count, check.last_entry_id, check.fault) == (6, chain[-1].id, "")


def test_no_entry_is_a_sound_chain():
    walk = verify_audit()
    assert (walk.fault, walk.count) == (None, 0)


@pytest.mark.usefixtures("tampering")
@pytest.mark.parametrize("size", [1, 2, 1000])
class TestWhatIsNamed:
    @pytest.fixture(autouse=True)
    def batches(self, monkeypatch, size):
        monkeypatch.setattr(verification, "ROWS_AT_ONCE", size)

    @pytest.mark.parametrize("number", range(6))
    def test_a_changed_row(self, chain, number):
        change(chain[number], after={"slug": "other"})
        fault = verify_audit().fault
        assert (fault.kind, fault.entry_id) == ("changed", chain[number].id)
        assert AuditCheck.objects.get().fault == fault.detail

    @pytest.mark.parametrize("number", range(5))
    def test_a_row_that_was_taken_out(self, chain, number):
        remove(chain[number])
        fault = verify_audit().fault
        assert (fault.kind, fault.entry_id) == ("missing", chain[number + 1].id)

    @pytest.mark.parametrize("number", range(1, 6))
    def test_a_tail_that_was_cut(self, chain, number):
        for entry in chain[number:]:
            remove(entry)
        fault = verify_audit().fault
        assert (fault.kind, fault.entry_id) == ("cut", chain[number - 1].id)
        assert "counts 6 entries" in fault.detail

    def test_everything_cut(self, chain):
        AuditEntry.objects.all().delete()
        assert verify_audit().fault.kind == "cut"

    @pytest.mark.parametrize("number", [1, 3, 5])
    def test_a_row_that_was_put_in(self, chain, number):
        # Make room for it: an id between two others.
        AuditEntry.objects.filter(id=chain[number].id).delete()
        shifted = chain[number]
        shifted.id = chain[-1].id + 100 - (5 - number)
        for later in chain[number + 1 :]:
            remove(later)
            later.id += 200
            later.save(force_insert=True)
        shifted.save(force_insert=True)
        forged = AuditEntry.objects.get(id=chain[number - 1].id)
        forged.id = forged.id + 1 if number < 5 else shifted.id + 1
        forged.previous_digest = chain[number - 1].digest
        forged.action, forged.digest = "forge", "f" * 64
        AuditEntry.objects.filter(id=forged.id).delete()
        forged.save(force_insert=True)
        fault = verify_audit().fault
        assert fault is not None
        assert fault.entry_id == forged.id

    def test_a_forged_row_at_the_end(self, chain):
        forged = AuditEntry.objects.get(id=chain[-1].id)
        forged.id += 1
        forged.previous_digest, forged.digest = chain[-1].digest, "f" * 64
        forged.save(force_insert=True)
        fault = verify_audit().fault
        assert (fault.kind, fault.entry_id) == ("inserted", forged.id)

    def test_a_copied_row(self, chain):
        copy = AuditEntry.objects.get(id=chain[2].id)
        copy.id = chain[-1].id + 1
        copy.save(force_insert=True)
        fault = verify_audit().fault
        assert (fault.kind, fault.entry_id) == ("inserted", copy.id)

    @pytest.mark.parametrize("number", [-5, 0])
    def test_a_row_below_every_id(self, chain, number):
        copy = AuditEntry.objects.get(id=chain[0].id)
        copy.id, copy.actor_label = number, "mallory"
        copy.save(force_insert=True)
        fault = verify_audit().fault
        assert (fault.kind, fault.entry_id) == ("inserted", number)
        assert str(number) in AuditCheck.objects.get().fault

    def test_a_row_put_in_behind_the_walk(self, chain, monkeypatch):
        reads = []

        def read():
            reads.append(1)
            if len(reads) == 2:
                forged = AuditEntry.objects.get(id=chain[0].id)
                forged.id = -3
                forged.save(force_insert=True)
            return read_head()

        monkeypatch.setattr(verification, "read_head", read)
        fault = verify_audit().fault
        assert (fault.kind, fault.entry_id) == ("inserted", -3)

    def test_a_head_set_back_behind_the_last_sound_one(self, chain):
        assert verify_audit().fault is None
        remove(chain[-1])
        AuditHead.objects.update(digest=chain[-2].digest, count=5)
        # A fault is not forgotten by looking twice.
        for _ in range(2):
            fault = verify_audit().fault
            assert (fault.kind, fault.entry_id) == ("cut", chain[-2].id)

    def test_entries_written_anew_behind_the_last_sound_head(self, chain):
        assert verify_audit().fault is None
        remove(chain[-1])
        AuditHead.objects.update(digest=chain[-2].digest, count=5)
        create_tag(slug="other", name="Other")
        assert verify_audit().fault.kind == "head"

    def test_another_secret_key(self, chain, settings):
        settings.SECRET_KEY = "another key of more than thirty-two letters"
        fault = verify_audit().fault
        assert (fault.kind, fault.entry_id) == ("key", chain[0].id)
        assert "SECRET_KEY" in fault.detail

    def test_a_head_that_was_changed(self, chain):
        AuditHead.objects.update(digest="0" * 64)
        assert verify_audit().fault.kind == "head"

    def test_a_head_that_was_set_back_with_the_tail(self, chain):
        published = Head(6, chain[-1].digest)
        remove(chain[-1])
        AuditHead.objects.update(digest=chain[-2].digest, count=5)
        assert verify_audit().fault is None
        fault = verify_audit(published=published).fault
        assert (fault.kind, "published head counts 6" in fault.detail) == ("cut", True)


def test_the_only_row_may_be_changed_or_its_key(settings):
    create_tag(slug="edge", name="Edge")
    settings.SECRET_KEY = "another key of more than thirty-two letters"
    fault = verify_audit().fault
    assert (fault.kind, "the only one" in fault.detail) == ("key", True)


def test_a_published_head_must_be_on_the_way(chain):
    assert verify_audit(published=Head(3, chain[2].digest)).fault is None
    fault = verify_audit(published=Head(3, "0" * 64)).fault
    assert (fault.kind, fault.entry_id) == ("head", chain[2].id)


def run(*arguments):
    output = StringIO()
    try:
        call_command("verify_audit", *arguments, stdout=output, stderr=output)
    except SystemExit as ending:
        return ending.code, output.getvalue()
    return 0, output.getvalue()


def test_the_command_prints_the_head_and_takes_it_back(chain):
    code, text = run()
    head = f"6:{chain[-1].digest}"
    assert (code, text) == (0, f"Sound: 6 entries.\nHead: {head}\n")
    assert run("--head", head)[0] == 0


@pytest.mark.usefixtures("tampering")
def test_the_command_names_the_first_bad_row(chain):
    change(chain[3], actor_label="somebody else")
    change(chain[4], actor_label="somebody else")
    code, text = run()
    assert code == 1
    assert f"Entry {chain[3].id} was changed." in text
    assert "triggers that refuse changes are not in place" in text


@pytest.mark.parametrize("text", ["6", "6:abc", "x:" + "0" * 64, "-1:" + "0" * 64])
def test_the_command_refuses_a_malformed_head(text):
    with pytest.raises(CommandError, match="COUNT:DIGEST"):
        run(f"--head={text}")


STATEMENTS = [
    "UPDATE accounts_auditentry SET action = 'x'",
    "UPDATE accounts_auditentry SET action = action",
    "DELETE FROM accounts_auditentry",
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_database_refuses_to_change_an_entry(chain, statement):
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert AuditEntry.objects.count() == 6
    assert is_guarded()


def test_the_database_refuses_to_replace_or_empty(chain):
    statement = {
        "sqlite": "REPLACE INTO accounts_auditentry SELECT * FROM accounts_auditentry",
        "postgresql": "TRUNCATE accounts_auditentry",
    }[connection.vendor]
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", [1, 2])
def test_the_guard_stands_again_after_the_tests_emptied_the_tables(turn):
    assert not AuditEntry.objects.exists()
    create_tag(slug="edge", name="Edge")
    assert is_guarded()


@pytest.mark.usefixtures("tampering")
def test_a_guard_that_was_taken_down_is_noticed():
    assert not is_guarded()


def test_the_head_is_published(chain):
    assert publish_head() == (6, chain[-1].digest)


def test_the_head_is_mailed_to_whom_the_setting_names(chain, monkeypatch):
    sent = []
    monkeypatch.setattr("apps.accounts.tasks.send_message", lambda **message: sent.append(message))
    publish_audit_head()
    assert sent == []
    addresses = ("a@example.org", "b@example.org")
    monkeypatch.setattr("apps.accounts.tasks.read_words", lambda _name: addresses)
    publish_audit_head()
    assert [message["to"] for message in sent] == [[address] for address in addresses]
    assert f"6:{chain[-1].digest}" in sent[0]["text"]


HARMLESS = {
    "sqlite": (
        "CREATE TRIGGER audit_no_delete BEFORE DELETE ON accounts_auditentry BEGIN SELECT 1; END",
    ),
    "postgresql": (
        """
        CREATE OR REPLACE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RETURN OLD; END $$
        """,
    ),
}


def test_a_guard_that_was_exchanged_for_a_harmless_one_is_noticed():
    assert is_guarded()
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DROP TRIGGER audit_no_delete")
        for statement in HARMLESS[connection.vendor]:
            cursor.execute(statement)
    assert not is_guarded()


def test_a_guard_for_replicas_only_is_noticed():
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL has triggers that wait for a replica")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_auditentry ENABLE REPLICA TRIGGER audit_no_change")
    assert not is_guarded()
