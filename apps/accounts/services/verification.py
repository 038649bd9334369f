"""Walking the audit's chain: every seal is computed again and compared."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from django.db import connection

from apps.accounts import triggers
from apps.accounts.algorithms.chain import Fault, FaultKind, Link, judge_link
from apps.accounts.models import AuditCheck, AuditEntry, AuditHead
from apps.accounts.services.audit import FIRST_DIGEST, HEAD_ID, seal_entry
from apps.core.clock import read_now

ROWS_AT_ONCE = 1_000
CHECK_ID = 1
FAULT_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: how many entries, and the seal of the last one."""

    count: int
    digest: str


@dataclass(slots=True)
class Walk:
    """How far the chain has been followed; `heads` are earlier ones that it must lead through."""

    count: int = 0
    last_id: int = 0
    digest: str = FIRST_DIGEST
    fault: Fault | None = None
    heads: Mapping[str, Head] = field(default_factory=dict)
    stored: Head = field(default_factory=lambda: Head(0, FIRST_DIGEST))


def verify_audit(*, published: Head | None = None) -> Walk:
    """How far the chain is sound, and the first fault in it; remembered for the audit page.

    Reads all entries in order, a thousand at a time. `published` is a head that was written down
    earlier: the chain must lead through it, and through the newest one that was found sound here.
    Entries that are added meanwhile are followed too.
    """
    kept = read_kept_head()
    known = {"published": published, "kept": kept}
    heads = {name: head for name, head in known.items() if head is not None}
    walk = walk_chain(heads)
    if walk.fault is None and count_unseen(walk):
        # What was put in behind the walk lies before the next one.
        walk = walk_chain(heads)
    if walk.fault is None:
        walk.fault = judge_end(walk)
    remember(walk, kept)
    return walk


def walk_chain(heads: Mapping[str, Head]) -> Walk:
    walk = Walk(heads=heads)
    for links in read_links(walk):
        follow(walk, links)
        if walk.fault is not None:
            break
    return walk


def count_unseen(walk: Walk) -> int:
    """How many rows stand up to the walk's last one that it did not come by."""
    return AuditEntry.objects.filter(id__lte=walk.last_id).count() - walk.count


def read_kept_head() -> Head | None:
    """The newest head that a verification found sound; None before the first."""
    check = AuditCheck.objects.filter(id=CHECK_ID).first()
    return Head(check.sound_count, check.sound_digest) if check and check.sound_count else None


def read_links(walk: Walk) -> Iterator[list[Link]]:
    """The links after the walk's last one, in batches, each with one more to look ahead."""
    while True:
        # The head is read first: what it counts is then visible among the rows.
        walk.stored = read_head() or Head(0, FIRST_DIGEST)
        rows = AuditEntry.objects.order_by("id")
        if walk.count:
            rows = rows.filter(id__gt=walk.last_id)
        links = [describe_link(row) for row in rows[: ROWS_AT_ONCE + 1]]
        if not links:
            return
        yield links


def read_head() -> Head | None:
    """The stored end of the chain; None before the first entry."""
    row = AuditHead.objects.filter(id=HEAD_ID).first()
    return Head(row.count, row.digest) if row else None


def describe_link(entry: AuditEntry) -> Link:
    return Link(entry.id, entry.previous_digest, entry.digest, seal_entry(entry))


def follow(walk: Walk, links: Sequence[Link]) -> None:
    """Take the walk through the links, up to the first that is wrong."""
    for number, link in enumerate(links[:ROWS_AT_ONCE]):
        follower = links[number + 1] if number + 1 < len(links) else None
        if link.entry_id < 1:
            detail = f"Entry {link.entry_id} was inserted: the server never gives such an id."
            walk.fault = Fault(FaultKind.INSERTED, link.entry_id, detail)
            return
        fault = judge_link(
            link,
            previous_id=walk.last_id,
            previous_digest=walk.digest,
            follower=follower.previous_digest if follower else walk.stored.digest,
        )
        if fault is not None:
            walk.fault = explain_first(fault, link, follower) if walk.count == 0 else fault
            return
        walk.count += 1
        walk.last_id, walk.digest = link.entry_id, link.digest
        walk.fault = judge_heads(walk)
        if walk.fault is not None:
            return


def explain_first(fault: Fault, link: Link, follower: Link | None) -> Fault:
    """The fault of the very first row: when nothing fits, it is the key and not the rows."""
    if fault.kind != FaultKind.CHANGED or (follower is not None and follower.is_sealed):
        return fault
    number = link.entry_id
    if follower is None:
        detail = (
            f"Entry {number}, the only one, does not fit its seal: it was changed, "
            "or SECRET_KEY was."
        )
    else:
        detail = (
            f"Not even the first entry ({number}) fits its seal, nor the one after it: SECRET_KEY "
            "is not the one they were sealed with. Verify with the earlier SWARM_SECRET_KEY."
        )
    return Fault(FaultKind.KEY, number, detail)


def judge_heads(walk: Walk) -> Fault | None:
    """What an earlier head says about the entry that the walk has come to."""
    for name, head in walk.heads.items():
        if walk.count == head.count and walk.digest != head.digest:
            detail = (
                f"Entry {walk.last_id}, number {walk.count}, is not the one of the {name} head: "
                "the entries up to it were written anew."
            )
            return Fault(FaultKind.HEAD, walk.last_id, detail)
    return None


def judge_end(walk: Walk) -> Fault | None:
    """What the heads say about a chain that is sound as far as it goes."""
    for name, head in walk.heads.items():
        if head.count > walk.count:
            return tell_cut(walk, head.count, name)
    if count_unseen(walk):
        detail = f"Entries were inserted before entry {walk.last_id} while the chain was followed."
        return Fault(FaultKind.INSERTED, walk.last_id, detail)
    if walk.stored.count > walk.count:
        return tell_cut(walk, walk.stored.count, "stored")
    if walk.stored != Head(walk.count, walk.digest):
        detail = (
            f"The chain has {walk.count} entries, but the stored head says "
            f"{walk.stored.count} and another seal: the head was changed."
        )
        return Fault(FaultKind.HEAD, walk.last_id, detail)
    return None


def tell_cut(walk: Walk, count: int, name: str) -> Fault:
    after = f"after entry {walk.last_id}" if walk.last_id else "all of it"
    detail = (
        f"The tail was cut {after}: the {name} head counts {count} entries, there are {walk.count}."
    )
    return Fault(FaultKind.CUT, walk.last_id, detail)


def remember(walk: Walk, kept: Head | None) -> None:
    """A broken chain leaves the kept head as it was, so that the next check still knows it."""
    if walk.fault is None:
        kept = Head(walk.count, walk.digest)
    AuditCheck.objects.update_or_create(
        id=CHECK_ID,
        defaults={
            "at": read_now(),
            "count": walk.count,
            "last_entry_id": walk.last_id,
            "digest": walk.digest,
            "sound_count": kept.count if kept else 0,
            "sound_digest": kept.digest if kept else "",
            "fault": walk.fault.detail[:FAULT_LENGTH] if walk.fault else "",
        },
    )


def is_guarded() -> bool:
    """Whether the database itself still refuses to change or delete entries."""
    with connection.cursor() as cursor:
        cursor.execute(triggers.READ[connection.vendor])
        found = {str(name): str(definition) for name, definition in cursor.fetchall()}
    return triggers.are_complete(found, connection.vendor)
