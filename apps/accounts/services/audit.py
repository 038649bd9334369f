"""The audit: append-only, each entry sealed by an HMAC over itself and the seal before it."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction

from apps.accounts.actors import read_actor
from apps.accounts.models import AuditEntry, AuditHead
from apps.core.clock import format_moment, read_now

logger = structlog.get_logger(__name__)

LABEL_LENGTH = 200
HEAD_ID = 1
FIRST_DIGEST = "0" * 64


def record_audit(
    *,
    action: str,
    target: models.Model,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> AuditEntry:
    """The new last entry of the chain: what the acting user did to `target`.

    It is committed with the change itself.
    """
    actor = read_actor()
    with transaction.atomic():
        head = lock_head()
        entry = AuditEntry(
            at=read_now(),
            actor=actor.user,
            actor_label=actor.label[:LABEL_LENGTH],
            via=actor.via,
            address=actor.address,
            action=action,
            object_type=target._meta.model_name or "",  # noqa: SLF001 - Django's documented API
            object_id=str(getattr(target, "public_id", target.pk) or ""),
            object_label=str(target)[:LABEL_LENGTH],
            before=make_plain(before),
            after=make_plain(after),
            previous_digest=head.digest,
        )
        entry.digest = seal_entry(entry)
        entry.save(force_insert=True)
        head.digest = entry.digest
        head.count += 1
        head.save(update_fields=["digest", "count"])
    return entry


@contextmanager
def audited() -> Iterator[None]:
    """A transaction that writes to the audit; as decorator or in a `with`.

    It takes the chain's end first. All such transactions wait for that lock in the end, so one
    that took rows before it could wait in a circle with another.
    """
    with transaction.atomic():
        lock_head()
        yield


def lock_head() -> AuditHead:
    """The end of the chain, nobody else's until the transaction ends."""
    heads = AuditHead.objects.select_for_update()
    head = heads.filter(id=HEAD_ID).first()
    if head is None:
        # Two that write the very first entry at once both go on with the row that got in.
        AuditHead.objects.get_or_create(id=HEAD_ID, defaults={"digest": FIRST_DIGEST})
        head = heads.get(id=HEAD_ID)
    return head


def publish_head() -> tuple[int, str]:
    """The number of entries and the last seal, which the server's log now holds as well.

    Who later cuts off the chain's tail would have to change every such log and mail too.
    """
    head = AuditHead.objects.filter(id=HEAD_ID).first()
    count, digest = (head.count, head.digest) if head else (0, FIRST_DIGEST)
    logger.info("audit_head", count=count, digest=digest)
    return count, digest


def make_plain(document: dict[str, Any] | None) -> dict[str, Any]:
    """The document as JSON will give it back, so that its seal can be checked later."""
    plain: dict[str, Any] = json.loads(json.dumps(document or {}, cls=DjangoJSONEncoder))
    return plain


def seal_entry(entry: AuditEntry) -> str:
    """The HMAC-SHA-256 of the entry's content and the previous seal, in hex."""
    content = [
        entry.previous_digest,
        format_moment(entry.at),
        str(entry.actor_id or ""),
        entry.actor_label,
        entry.via,
        entry.address,
        entry.action,
        entry.object_type,
        entry.object_id,
        entry.object_label,
        json.dumps(entry.before, sort_keys=True),
        json.dumps(entry.after, sort_keys=True),
    ]
    key = hashlib.sha256(b"audit:" + settings.SECRET_KEY.encode()).digest()
    return hmac.new(key, json.dumps(content).encode(), hashlib.sha256).hexdigest()
