from apps.clients.services.bulk import (
    ACTIONS,
    MAXIMUM_CLIENTS,
    BulkAction,
    BulkReport,
    Refusal,
    act_on_clients,
)
from apps.clients.services.checking import refuse_named
from apps.clients.services.editing import change_client, wake_schedules
from apps.clients.services.enrolment import (
    IssuedKey,
    enrol_client,
    issue_enrolment_token,
    revoke_enrolment_token,
)
from apps.clients.services.inventory import apply_inventory
from apps.clients.services.keys import (
    KeyHolder,
    add_key,
    clear_clone,
    digest_secret,
    find_holders,
    identify_key,
    revoke_key,
    revoke_keys,
    rotate_key,
)
from apps.clients.services.maintenance import (
    WindowDefinition,
    change_window,
    check_window,
    create_window,
    delete_window,
    end_window,
)
from apps.clients.services.members import read_members
from apps.clients.services.places import change_site, create_site, delete_site
from apps.clients.services.presence import Heartbeat, record_heartbeat, update_presence
from apps.clients.services.removal import (
    REMOVE_HISTORY,
    delete_client,
    enqueue_missing_removals,
    remove_history,
)
from apps.clients.services.tags import change_tag, create_tag, delete_tag

__all__ = [
    "ACTIONS",
    "MAXIMUM_CLIENTS",
    "REMOVE_HISTORY",
    "BulkAction",
    "BulkReport",
    "Heartbeat",
    "IssuedKey",
    "KeyHolder",
    "Refusal",
    "WindowDefinition",
    "act_on_clients",
    "add_key",
    "apply_inventory",
    "change_client",
    "change_site",
    "change_tag",
    "change_window",
    "check_window",
    "clear_clone",
    "create_site",
    "create_tag",
    "create_window",
    "delete_client",
    "delete_site",
    "delete_tag",
    "delete_window",
    "digest_secret",
    "end_window",
    "enqueue_missing_removals",
    "enrol_client",
    "find_holders",
    "identify_key",
    "issue_enrolment_token",
    "read_members",
    "record_heartbeat",
    "refuse_named",
    "remove_history",
    "revoke_enrolment_token",
    "revoke_key",
    "revoke_keys",
    "rotate_key",
    "update_presence",
    "wake_schedules",
]
