"""The database's own refusal to change the audit: statements that put it up and take it down.

A migration puts them up. Whoever may alter the schema can take them down again; then the seals
still tell what was changed.
"""

from collections.abc import Mapping

TABLE = "accounts_auditentry"

SQLITE_NO_UPDATE = """
CREATE TRIGGER audit_no_update BEFORE UPDATE ON accounts_auditentry
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
"""
SQLITE_NO_DELETE = """
CREATE TRIGGER audit_no_delete BEFORE DELETE ON accounts_auditentry
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
"""
# REPLACE deletes a row without asking the trigger for deletions.
SQLITE_NO_REPLACE = """
CREATE TRIGGER audit_no_replace BEFORE INSERT ON accounts_auditentry
WHEN EXISTS (SELECT 1 FROM accounts_auditentry WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
"""
POSTGRESQL_BODY = """
BEGIN
    RAISE EXCEPTION 'the audit is append-only' USING ERRCODE = 'integrity_constraint_violation';
END """
POSTGRESQL_FUNCTION = f"""
CREATE OR REPLACE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS
$${POSTGRESQL_BODY}$$
"""
POSTGRESQL_NO_CHANGE = """
CREATE TRIGGER audit_no_change BEFORE DELETE OR UPDATE ON accounts_auditentry
FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()
"""
POSTGRESQL_NO_TRUNCATE = """
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON accounts_auditentry
FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()
"""

CREATE: Mapping[str, tuple[str, ...]] = {
    "sqlite": (SQLITE_NO_UPDATE, SQLITE_NO_DELETE, SQLITE_NO_REPLACE),
    "postgresql": (POSTGRESQL_FUNCTION, POSTGRESQL_NO_CHANGE, POSTGRESQL_NO_TRUNCATE),
}
DROP: Mapping[str, tuple[str, ...]] = {
    "sqlite": (
        "DROP TRIGGER IF EXISTS audit_no_update",
        "DROP TRIGGER IF EXISTS audit_no_delete",
        "DROP TRIGGER IF EXISTS audit_no_replace",
    ),
    "postgresql": (
        "DROP TRIGGER IF EXISTS audit_no_change ON accounts_auditentry",
        "DROP TRIGGER IF EXISTS audit_no_truncate ON accounts_auditentry",
        "DROP FUNCTION IF EXISTS refuse_audit_change()",
    ),
}
# The name and the whole definition of each trigger that works.
READ: Mapping[str, str] = {
    "sqlite": (
        "SELECT name, sql FROM sqlite_master "
        "WHERE type = 'trigger' AND tbl_name = 'accounts_auditentry'"
    ),
    "postgresql": (
        "SELECT tgname, pg_get_triggerdef(pg_trigger.oid, true) || prosrc "
        "FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid "
        "WHERE tgrelid = 'accounts_auditentry'::regclass "
        "AND NOT tgisinternal AND tgenabled IN ('O', 'A')"
    ),
}
EXPECTED: Mapping[str, Mapping[str, str]] = {
    "sqlite": {
        "audit_no_update": SQLITE_NO_UPDATE,
        "audit_no_delete": SQLITE_NO_DELETE,
        "audit_no_replace": SQLITE_NO_REPLACE,
    },
    "postgresql": {
        "audit_no_change": POSTGRESQL_NO_CHANGE + POSTGRESQL_BODY,
        "audit_no_truncate": POSTGRESQL_NO_TRUNCATE + POSTGRESQL_BODY,
    },
}


def are_complete(found: Mapping[str, str], vendor: str) -> bool:
    """Whether the triggers found, by name with definition, are exactly those put up."""
    expected = EXPECTED[vendor]
    return {name: text.split() for name, text in found.items()} == {
        name: text.split() for name, text in expected.items()
    }
