from apps.accounts.services.audit import audited, publish_head, record_audit
from apps.accounts.services.invitations import (
    accept_invitation,
    forget_invitations,
    invite,
    renew_invitation,
    revoke_invitation,
)
from apps.accounts.services.password_links import (
    forget_password_links,
    issue_password_link,
    set_password,
    set_password_by_link,
)
from apps.accounts.services.preferences import set_theme
from apps.accounts.services.roles import (
    Grant,
    add_role,
    keep_an_administrator,
    remove_role,
    set_roles,
)
from apps.accounts.services.sessions import end_sessions
from apps.accounts.services.setup import (
    create_admin_from_password,
    is_setup_open,
    issue_setup_code,
    set_up_first_admin,
)
from apps.accounts.services.tokens import create_token, note_token_use, revoke_token
from apps.accounts.services.users import (
    change_user,
    create_user,
    deactivate_user,
    delete_user,
    reactivate_user,
    reset_second_factor,
)
from apps.accounts.services.verification import verify_audit

__all__ = [
    "Grant",
    "accept_invitation",
    "add_role",
    "audited",
    "change_user",
    "create_admin_from_password",
    "create_token",
    "create_user",
    "deactivate_user",
    "delete_user",
    "end_sessions",
    "forget_invitations",
    "forget_password_links",
    "invite",
    "is_setup_open",
    "issue_password_link",
    "issue_setup_code",
    "keep_an_administrator",
    "note_token_use",
    "publish_head",
    "reactivate_user",
    "record_audit",
    "remove_role",
    "renew_invitation",
    "reset_second_factor",
    "revoke_invitation",
    "revoke_token",
    "set_password",
    "set_password_by_link",
    "set_roles",
    "set_theme",
    "set_up_first_admin",
    "verify_audit",
]
