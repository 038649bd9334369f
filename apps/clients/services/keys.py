"""The secrets by which agents prove which client they are."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q

from apps.accounts.services import audited, record_audit
from apps.clients.models import Client, Key
from apps.clients.published import ClientChanged
from apps.clients.services.editing import lock_client
from apps.core.bus import publish
from apps.core.clock import read_now
from apps.core.errors import Conflict, FieldError, Invalid, NotAuthenticated

PREFIX_BYTES = 4
SECRET_BYTES = 32
ROTATION_OVERLAP = timedelta(minutes=10)
MAXIMUM_OVERLAP = timedelta(days=7)
MAXIMUM_VALID_KEYS = 10
PREFIXES_PER_QUERY = 1000


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """The client that a key belongs to, and until when."""

    client_id: UUID
    client_name: str
    digest: str
    revoked_at: datetime | None
    expires_at: datetime | None

    def is_valid(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


def digest_secret(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def issue_key(client: Client) -> str:
    """The secret text of a new key of `client`."""
    prefix = secrets.token_hex(PREFIX_BYTES)
    secret = f"{prefix}.{secrets.token_urlsafe(SECRET_BYTES)}"
    Key.objects.create(
        client=client, prefix=prefix, digest=digest_secret(secret), created_at=read_now()
    )
    return secret


@audited()
def rotate_key(*, client: Client, overlap: timedelta = ROTATION_OVERLAP) -> str:
    """The secret text of a new key; earlier keys go on working for `overlap`.

    A suspected clone counts as dealt with: it has no part in the new key.
    Raises: Invalid for an overlap below zero or above 7 days, Conflict when the client has as many
    valid keys as it may have.
    """
    if not timedelta() <= overlap <= MAXIMUM_OVERLAP:
        detail = "must be from 0 to 604800 seconds (7 days)"
        raise Invalid([FieldError("overlap_seconds", "out_of_range", detail)])
    locked = lock_client(client)
    until = read_now() + overlap
    # A key that ends earlier than that keeps its own end.
    is_longer = Q(expires_at=None) | Q(expires_at__gt=until)
    Key.objects.filter(is_longer, client=locked, revoked_at=None).update(expires_at=until)
    refuse_more_keys(locked)
    secret = issue_key(locked)
    before = forget_clone(locked)
    after = {"earlier_keys_until": until, "key": secret.partition(".")[0]}
    record_audit(action="rotate_key", target=locked, before=before, after=after)
    publish(ClientChanged(locked.id))
    return secret


@audited()
def add_key(*, client: Client) -> str:
    """The secret text of one more key; the earlier ones go on working.

    Raises: Conflict when the client has as many valid keys as it may have.
    """
    locked = lock_client(client)
    refuse_more_keys(locked)
    secret = issue_key(locked)
    record_audit(action="add_key", target=locked, after={"key": secret.partition(".")[0]})
    publish(ClientChanged(locked.id))
    return secret


def refuse_more_keys(client: Client) -> None:
    valid = Key.objects.filter(client=client, revoked_at=None)
    if valid.exclude(expires_at__lte=read_now()).count() >= MAXIMUM_VALID_KEYS:
        detail = f"A client has at most {MAXIMUM_VALID_KEYS} valid keys; revoke one first."
        raise Conflict("too_many_keys", detail, limit=MAXIMUM_VALID_KEYS)


@audited()
def revoke_key(*, client: Client, key: Key) -> None:
    """End one key of `client`; an agent that has it gets 401 within seconds."""
    changed = Key.objects.filter(id=key.id, client=client, revoked_at=None)
    if changed.update(revoked_at=read_now()):
        record_audit(action="revoke_key", target=client, after={"key": key.prefix})
        publish(ClientChanged(client.id))


@audited()
def revoke_keys(*, client: Client) -> int:
    """How many keys of `client` were revoked; from then on its agent gets 401."""
    count = Key.objects.filter(client=client, revoked_at=None).update(revoked_at=read_now())
    record_audit(action="revoke_keys", target=client, after={"keys": count})
    publish(ClientChanged(client.id))
    return count


@audited()
def clear_clone(*, client: Client) -> None:
    """Take back the suspicion that two agents share a key of `client`."""
    locked = lock_client(client)
    before = forget_clone(locked)
    if before:
        record_audit(action="clear_clone", target=locked, before=before)
        publish(ClientChanged(locked.id))


def forget_clone(client: Client) -> dict[str, object]:
    """What was suspected of `client`, which is forgotten; empty when nothing was."""
    if client.clone_suspected_at is None:
        return {}
    before: dict[str, object] = {
        "clone_suspected_at": client.clone_suspected_at,
        "clone_detail": client.clone_detail,
    }
    client.clone_suspected_at, client.clone_detail = None, ""
    client.boot_returned_at, client.earlier_boots = None, []
    client.save(
        update_fields=["clone_suspected_at", "clone_detail", "boot_returned_at", "earlier_boots"]
    )
    return before


def identify_key(secret: str) -> KeyHolder:
    """Whose valid key this secret text is.

    Raises: NotAuthenticated(key_unknown | key_revoked | key_expired).
    """
    prefix, _separator, _rest = secret.partition(".")
    found = find_holders([prefix]).get(prefix)
    if found is None or not hmac.compare_digest(found.digest, digest_secret(secret)):
        raise NotAuthenticated("key_unknown", "This agent key is not known here; enrol again.")
    if found.revoked_at is not None:
        raise NotAuthenticated("key_revoked", "This agent key was revoked; enrol again.")
    if not found.is_valid(read_now()):
        raise NotAuthenticated("key_expired", "This agent key was replaced by a newer one.")
    return found


def find_holders(prefixes: Sequence[str]) -> dict[str, KeyHolder]:
    """Whose the keys of those prefixes are, valid or not; one narrow query for each thousand."""
    columns = ("prefix", "client_id", "client__name", "digest", "revoked_at", "expires_at")
    found: dict[str, KeyHolder] = {}
    for start in range(0, len(prefixes), PREFIXES_PER_QUERY):
        part = prefixes[start : start + PREFIXES_PER_QUERY]
        rows = Key.objects.filter(prefix__in=part).order_by().values_list(*columns)
        found.update((prefix, KeyHolder(*rest)) for prefix, *rest in rows)
    return found
