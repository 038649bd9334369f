"""How an agent becomes a client: a token from the operator, exchanged once for a key."""

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.accounts.actors import Actor, act_as, read_actor
from apps.accounts.models import AuditEntry
from apps.accounts.services import record_audit
from apps.clients.models import Client, EnrolmentToken, Key, Site, Tag
from apps.clients.published import ClientChanged
from apps.clients.services.inventory import apply_inventory
from apps.core.bus import publish
from apps.core.clock import read_now
from apps.core.errors import Conflict, FieldError, Invalid, NotAuthenticated

TOKEN_LIFE = timedelta(hours=1)
MAXIMUM_TOKEN_LIFE = timedelta(days=30)
MAXIMUM_USES = 10_000
PREFIX_BYTES = 4
SECRET_BYTES = 32
ROTATION_OVERLAP = timedelta(minutes=10)
NAME_LENGTH = 100
NAME_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new client and the secret that its agent keeps; the server keeps only a digest."""

    client: Client
    secret: str


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """The client that a valid key belongs to."""

    client_id: UUID
    client_name: str


def digest_secret(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


@transaction.atomic
def issue_enrolment_token(
    *,
    name: str,
    life: timedelta = TOKEN_LIFE,
    max_uses: int = 1,
    allowed_network: str = "",
    site: Site | None = None,
    tags: Sequence[Tag] = (),
) -> tuple[EnrolmentToken, str]:
    """The stored token and its secret text, which is never to be had again.

    Raises: Invalid naming each wrong field and its limit.
    """
    check_token_fields(name=name, life=life, max_uses=max_uses, allowed_network=allowed_network)
    secret = secrets.token_urlsafe(SECRET_BYTES)
    now = read_now()
    token = EnrolmentToken.objects.create(
        name=name.strip(),
        digest=digest_secret(secret),
        created_at=now,
        created_by=read_actor().user,
        expires_at=now + life,
        max_uses=max_uses,
        allowed_network=allowed_network,
        site=site,
    )
    token.tags.set(tags)
    record_audit(
        action="create",
        target=token,
        after={"name": token.name, "max_uses": max_uses, "expires_at": token.expires_at},
    )
    return token, secret


def check_token_fields(*, name: str, life: timedelta, max_uses: int, allowed_network: str) -> None:
    errors = []
    if not 1 <= len(name.strip()) <= NAME_LENGTH:
        errors.append(FieldError("name", "length", f"must have 1 to {NAME_LENGTH} characters"))
    if not timedelta(minutes=1) <= life <= MAXIMUM_TOKEN_LIFE:
        errors.append(FieldError("life", "out_of_range", "must be from 1 minute to 30 days"))
    if not 1 <= max_uses <= MAXIMUM_USES:
        errors.append(FieldError("max_uses", "out_of_range", f"must be from 1 to {MAXIMUM_USES}"))
    if allowed_network:
        try:
            ipaddress.ip_network(allowed_network)
        except ValueError as error:
            errors.append(FieldError("allowed_network", "malformed", str(error)))
    if errors:
        raise Invalid(errors)


@transaction.atomic
def revoke_enrolment_token(*, token: EnrolmentToken) -> None:
    token.revoked_at = read_now()
    token.save(update_fields=["revoked_at"])
    record_audit(action="revoke", target=token)


def enrol_client(
    *, token_secret: str, name: str, agent_version: str, inventory: dict[str, Any], address: str
) -> IssuedKey:
    """A new client with its first key, for the holder of a valid token.

    Raises: NotAuthenticated(token_*) for a token that does not let this host in.
    """
    with transaction.atomic(), act_as(Actor(label=name, via=AuditEntry.Via.AGENT, address=address)):
        token = spend_token(token_secret, address)
        client = create_named_client(
            name, site=token.site, agent_version=agent_version, last_address=address
        )
        client.tags.set(token.tags.all())
        apply_inventory(client=client, inventory=inventory)
        issued = IssuedKey(client, issue_key(client))
        record_audit(action="enrol", target=client, after={"token": token.name, "address": address})
        publish(ClientChanged(client.id))
    return issued


def spend_token(secret: str, address: str) -> EnrolmentToken:
    """The token, with one use counted; its row is locked so that no use is counted twice."""
    token = (
        EnrolmentToken.objects.select_for_update(of=("self",))
        .filter(digest=digest_secret(secret))
        .first()
    )
    if token is None:
        raise NotAuthenticated("token_unknown", "This enrolment token is not known here.")
    refusal = explain_refusal(token, address, read_now())
    if refusal:
        raise refusal
    token.uses += 1
    token.save(update_fields=["uses"])
    return token


def explain_refusal(token: EnrolmentToken, address: str, now: datetime) -> NotAuthenticated | None:
    if token.revoked_at is not None:
        return NotAuthenticated("token_revoked", "This enrolment token was revoked.")
    if token.expires_at <= now:
        moment = token.expires_at.isoformat(timespec="seconds")
        return NotAuthenticated("token_expired", f"This enrolment token expired at {moment}.")
    if token.uses >= token.max_uses:
        detail = f"This enrolment token was used {token.uses} of {token.max_uses} times."
        return NotAuthenticated("token_used", detail)
    if token.allowed_network and not is_inside(address, token.allowed_network):
        detail = f"This enrolment token is for hosts in {token.allowed_network}, not {address}."
        return NotAuthenticated("token_network", detail)
    return None


def is_inside(address: str, network: str) -> bool:
    try:
        host = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(host, "ipv4_mapped", None)
    return (mapped or host) in ipaddress.ip_network(network)


def create_named_client(name: str, **fields: Any) -> Client:
    """A new client of that name, or of a free one like it."""
    for _attempt in range(NAME_ATTEMPTS):
        client = Client(name=find_free_name(name), enrolled_at=read_now(), **fields)
        try:
            with transaction.atomic():
                client.save(force_insert=True)
        except IntegrityError:
            # Another host took the name between the look and the leap.
            continue
        return client
    raise Conflict("name_taken", f"Many hosts called {name!r} enrol at this moment; try again.")


def find_free_name(wanted: str) -> str:
    """`wanted`, or with the lowest free number behind it when another client has it."""
    stem = wanted.strip()
    taken = set(
        Client.objects.filter(name__startswith=stem[: NAME_LENGTH - 8]).values_list(
            "name", flat=True
        )
    )
    if stem not in taken:
        return stem
    number = 2
    while (candidate := f"{stem[: NAME_LENGTH - 8]}-{number}") in taken:
        number += 1
    return candidate


def issue_key(client: Client) -> str:
    """The secret text of a new key of `client`."""
    prefix = secrets.token_hex(PREFIX_BYTES)
    secret = f"{prefix}.{secrets.token_urlsafe(SECRET_BYTES)}"
    Key.objects.create(
        client=client, prefix=prefix, digest=digest_secret(secret), created_at=read_now()
    )
    return secret


@transaction.atomic
def rotate_key(*, client: Client, overlap: timedelta = ROTATION_OVERLAP) -> str:
    """The secret text of a new key; earlier keys go on working for `overlap`."""
    until = read_now() + overlap
    Key.objects.filter(client=client, revoked_at=None, expires_at=None).update(expires_at=until)
    secret = issue_key(client)
    record_audit(action="rotate_key", target=client, after={"earlier_keys_until": until})
    return secret


@transaction.atomic
def revoke_keys(*, client: Client) -> int:
    """How many keys of `client` were revoked; from then on its agent gets 401."""
    count = Key.objects.filter(client=client, revoked_at=None).update(revoked_at=read_now())
    record_audit(action="revoke_keys", target=client, after={"keys": count})
    publish(ClientChanged(client.id))
    return count


def identify_key(secret: str) -> KeyHolder:
    """Whose valid key this secret text is; one narrow query, because every call of an agent asks.

    Raises: NotAuthenticated(key_unknown | key_revoked | key_expired).
    """
    prefix, _separator, _rest = secret.partition(".")
    rows = Key.objects.filter(prefix=prefix).order_by()
    columns = ("client_id", "client__name", "digest", "revoked_at", "expires_at")
    found = list(rows.values_list(*columns))
    digest = digest_secret(secret)
    if not found or not hmac.compare_digest(found[0][2], digest):
        raise NotAuthenticated("key_unknown", "This agent key is not known here; enrol again.")
    client_id, client_name, _digest, revoked_at, expires_at = found[0]
    if revoked_at is not None:
        raise NotAuthenticated("key_revoked", "This agent key was revoked; enrol again.")
    if expires_at is not None and expires_at <= read_now():
        raise NotAuthenticated("key_expired", "This agent key was replaced by a newer one.")
    return KeyHolder(client_id, client_name)
