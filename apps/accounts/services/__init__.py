from apps.accounts.services.audit import record_audit
from apps.accounts.services.preferences import set_theme
from apps.accounts.services.setup import (
    create_admin_from_password,
    is_setup_open,
    issue_setup_code,
    set_up_first_admin,
)
from apps.accounts.services.tokens import create_token, note_token_use, revoke_token

__all__ = [
    "create_admin_from_password",
    "create_token",
    "is_setup_open",
    "issue_setup_code",
    "note_token_use",
    "record_audit",
    "revoke_token",
    "set_theme",
    "set_up_first_admin",
]
