from apps.clients.services.editing import (
    change_client,
    delete_client,
    wake_schedules,
)
from apps.clients.services.enrolment import (
    IssuedKey,
    KeyHolder,
    enrol_client,
    identify_key,
    issue_enrolment_token,
    revoke_enrolment_token,
    revoke_keys,
    rotate_key,
)
from apps.clients.services.inventory import apply_inventory
from apps.clients.services.places import (
    change_site,
    change_tag,
    create_site,
    create_tag,
    delete_site,
    delete_tag,
    refuse_named_by_role,
)
from apps.clients.services.presence import Heartbeat, record_heartbeat, update_presence

__all__ = [
    "Heartbeat",
    "IssuedKey",
    "KeyHolder",
    "apply_inventory",
    "change_client",
    "change_site",
    "change_tag",
    "create_site",
    "create_tag",
    "delete_client",
    "delete_site",
    "delete_tag",
    "enrol_client",
    "identify_key",
    "issue_enrolment_token",
    "record_heartbeat",
    "refuse_named_by_role",
    "revoke_enrolment_token",
    "revoke_keys",
    "rotate_key",
    "update_presence",
    "wake_schedules",
]
