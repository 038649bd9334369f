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
POSTGRESQL_FUNCTION = """
CREATE OR REPLACE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$
"""
POSTGRESQL_NO_CHANGE = """
CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON accounts_auditentry
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
COUNT: Mapping[str, str] = {
    "sqlite": (
        "SELECT COUNT(*) FROM sqlite_master "
        "WHERE type = 'trigger' AND tbl_name = 'accounts_auditentry'"
    ),
    "postgresql": (
        "SELECT COUNT(*) FROM pg_trigger "
        "WHERE tgrelid = 'accounts_auditentry'::regclass "
        "AND NOT tgisinternal AND tgenabled <> 'D'"
    ),
}
EXPECTED: Mapping[str, int] = {"sqlite": 3, "postgresql": 2}
