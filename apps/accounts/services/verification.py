"""Walking the audit's chain: every seal is computed again and compared."""

from collections.abc import Iterator, Sequence
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
    """How far the chain has been followed."""

    count: int = 0
    last_id: int = 0
    digest: str = FIRST_DIGEST
    fault: Fault | None = None
    published: Head | None = None
    stored: Head = field(default_factory=lambda: Head(0, FIRST_DIGEST))


def verify_audit(*, published: Head | None = None) -> Walk:
    """How far the chain is sound, and the first fault in it; remembered for the audit page.

    Reads all entries in order, a thousand at a time. `published` is a head that was written down
    earlier: the chain must lead through it. Entries that are added meanwhile are followed too.
    """
    walk = Walk(published=published)
    for links in read_links(walk):
        follow(walk, links)
        if walk.fault is not None:
            break
    if walk.fault is None:
        walk.fault = judge_end(walk)
    remember(walk)
    return walk


def read_links(walk: Walk) -> Iterator[list[Link]]:
    """The links after the walk's last one, in batches, each with one more to look ahead."""
    while True:
        # The head is read first: what it counts is then visible among the rows.
        walk.stored = read_head() or Head(0, FIRST_DIGEST)
        rows = AuditEntry.objects.filter(id__gt=walk.last_id).order_by("id")
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
        walk.fault = judge_published(walk)
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


def judge_published(walk: Walk) -> Fault | None:
    published = walk.published
    if published is None or walk.count != published.count or walk.digest == published.digest:
        return None
    detail = (
        f"Entry {walk.last_id}, number {walk.count}, is not the one of the published head: "
        "the entries up to it were written anew."
    )
    return Fault(FaultKind.HEAD, walk.last_id, detail)


def judge_end(walk: Walk) -> Fault | None:
    """What the heads say about a chain that is sound as far as it goes."""
    published = walk.published
    if published is not None and published.count > walk.count:
        return tell_cut(walk, published.count, "published")
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


def remember(walk: Walk) -> None:
    AuditCheck.objects.update_or_create(
        id=CHECK_ID,
        defaults={
            "at": read_now(),
            "count": walk.count,
            "last_entry_id": walk.last_id,
            "digest": walk.digest,
            "fault": walk.fault.detail[:FAULT_LENGTH] if walk.fault else "",
        },
    )


def is_guarded() -> bool:
    """Whether the database itself still refuses to change or delete entries."""
    with connection.cursor() as cursor:
        cursor.execute(triggers.COUNT[connection.vendor])
        row = cursor.fetchone()
    return bool(row) and row[0] >= triggers.EXPECTED[connection.vendor]
