"""How an agent becomes a client: a token from the operator, exchanged once for a key."""

import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from apps.accounts.actors import Actor, act_as, read_actor
from apps.accounts.models import AuditEntry
from apps.accounts.services import audited, record_audit
from apps.clients.models import Client, EnrolmentToken, Site, Tag
from apps.clients.published import ClientChanged
from apps.clients.services.inventory import apply_inventory
from apps.clients.services.keys import digest_secret, issue_key
from apps.core.bus import publish
from apps.core.clock import read_now
from apps.core.errors import Conflict, FieldError, Invalid, NotAuthenticated

TOKEN_LIFE = timedelta(hours=1)
MAXIMUM_TOKEN_LIFE = timedelta(days=30)
MAXIMUM_USES = 10_000
SECRET_BYTES = 32
NAME_LENGTH = 100
NAME_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new client and the secret that its agent keeps; the server keeps only a digest."""

    client: Client
    secret: str


@audited()
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


@audited()
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
    with act_as(Actor(label=name, via=AuditEntry.Via.AGENT, address=address)), audited():
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
