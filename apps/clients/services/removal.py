"""Deleting a client with everything measured by it, in pieces that a kill cannot spoil."""

import time
from collections.abc import Iterator
from uuid import UUID

from django.apps import apps
from django.db import models, transaction

from apps.accounts.services import audited, record_audit
from apps.clients.models import Client, Key
from apps.clients.published import ClientChanged
from apps.clients.services.editing import describe_client, lock_client
from apps.core.bus import publish
from apps.core.clock import read_now

ROWS_PER_STEP = 2000
BUDGET_SECONDS = 20.0

# The path from a model to its client, and the model.
History = tuple[str, type[models.Model]]


@audited()
def delete_client(*, client: Client) -> None:
    """Take the client away at once; `remove_deleted_clients` removes its history afterwards.

    Its keys stop working, its name is free for another, and nobody sees it any more.
    Raises: NotFound when it was deleted meanwhile.
    """
    locked = lock_client(client)
    record_audit(action="delete", target=locked, before=describe_client(locked))
    now = read_now()
    Key.objects.filter(client=locked, revoked_at=None).update(revoked_at=now)
    locked.tags.clear()
    # Its name can be taken and its site be deleted while the history goes.
    locked.name, locked.site, locked.deleted_at = f"deleted-{locked.id}", None, now
    locked.presence = Client.Presence.NEVER
    locked.save(update_fields=["name", "site", "deleted_at", "presence"])
    publish(ClientChanged(locked.id))


def remove_deleted_clients(*, budget_seconds: float = BUDGET_SECONDS) -> int:
    """How many rows of deleted clients were removed, for about `budget_seconds` of work.

    Each step is a transaction of at most 2,000 rows, so that nobody waits for it long; whatever a
    stop or a kill leaves is found by the next call.
    """
    end = time.monotonic() + budget_seconds
    removed = 0
    for client_id in Client.objects.exclude(deleted_at=None).values_list("id", flat=True):
        for count in remove_in_steps(client_id):
            removed += count
            if time.monotonic() >= end:
                return removed
    return removed


def remove_in_steps(client_id: UUID) -> Iterator[int]:
    """Removes the rows of a client, then itself; yields how many rows each step removed."""
    for path, model in list_histories():
        while True:
            with transaction.atomic():
                # Another worker at the same client would only wait for these very rows.
                mine = Client.objects.select_for_update(skip_locked=True).filter(id=client_id)
                if not mine.exists():
                    return
                rows = model._base_manager.filter(**{path: client_id})  # noqa: SLF001 - documented
                step = rows.order_by("pk").values("pk")[:ROWS_PER_STEP]
                count, _by_model = model._base_manager.filter(pk__in=step).delete()  # noqa: SLF001 - documented
            if not count:
                break
            yield count
    count, _by_model = Client.objects.filter(id=client_id).delete()
    yield count


def list_histories() -> list[History]:
    """The models whose rows go with a client and the path from each to it.

    What refers to other rows comes before them, and higher apps before the ones they build on.
    """
    found: list[History] = []
    visit(Client, "", found)
    rank = {config.label: place for place, config in enumerate(apps.get_app_configs())}
    return sorted(found, key=lambda pair: -rank[pair[1]._meta.app_label])  # noqa: SLF001 - documented


def visit(model: type[models.Model], path: str, found: list[History]) -> None:
    for relation in model._meta.get_fields(include_hidden=True):  # noqa: SLF001 - documented
        is_cascade = getattr(relation, "on_delete", None) is models.CASCADE
        if isinstance(relation, models.ManyToOneRel) and is_cascade:
            other = relation.related_model
            # A Django model may be known here by the word "self" until it is loaded.
            if not isinstance(other, str):
                own_path = f"{relation.field.name}__{path}" if path else relation.field.name
                visit(other, own_path, found)
                if all(known is not other for _path, known in found):
                    found.append((own_path, other))
