"""Deleting a client with everything measured by it, in pieces that a kill cannot spoil."""

import time
from collections.abc import Iterator
from uuid import UUID

from django.apps import apps
from django.db import models, transaction
from django.utils.translation import gettext

from apps.accounts.services import audited, record_audit
from apps.clients.models import Client, Key
from apps.clients.published import ClientChanged
from apps.clients.services.editing import describe_client, lock_client
from apps.core.bus import publish
from apps.core.clock import read_now
from apps.jobs.registry import Outcome
from apps.jobs.runs import JobRun
from apps.jobs.selectors import list_keys
from apps.jobs.services import enqueue_job

ROWS_PER_STEP = 2000
# A worker has other things to do as well.
TURN_SECONDS = 5.0
REMOVE_HISTORY = "clients.remove_history"

# The path from a model to its client, and the model.
History = tuple[str, type[models.Model]]


@audited()
def delete_client(*, client: Client) -> None:
    """Take the client away at once; a job removes its history afterwards.

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
    enqueue_removal(locked.id)
    publish(ClientChanged(locked.id))


def enqueue_removal(client_id: UUID) -> None:
    enqueue_job(kind=REMOVE_HISTORY, key=str(client_id), arguments={"client_id": str(client_id)})


def enqueue_missing_removals() -> int:
    """How many deleted clients got the job that removes them, because nobody remembers one."""
    known = set(list_keys(REMOVE_HISTORY))
    deleted = Client.objects.exclude(deleted_at=None).values_list("id", flat=True)
    missing = [client_id for client_id in deleted if str(client_id) not in known]
    for client_id in missing:
        enqueue_removal(client_id)
    return len(missing)


def remove_history(run: JobRun) -> Outcome:
    """Remove a deleted client and what refers to it, for about five seconds of work.

    Each step is a transaction of at most 2,000 rows, so that nobody waits for it long; whatever a
    stop or a kill leaves is found by the next attempt.
    """
    end = time.monotonic() + TURN_SECONDS
    client_id, removed = UUID(run.arguments["client_id"]), 0
    for count in remove_in_steps(client_id):
        removed += count
        run.report(None, gettext("%(rows)s rows removed in this turn") % {"rows": removed})
        if time.monotonic() >= end:
            break
    # A row that somebody else holds was passed over.
    is_complete = not Client.objects.filter(id=client_id).exists()
    return Outcome(gettext("Nothing is left of it.") if is_complete else run.note, is_complete)


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
