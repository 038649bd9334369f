"""Tests as operators define them; every change starts a new revision of the schedule."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.accounts.actors import read_actor
from apps.accounts.services import record_audit
from apps.clients.models import Client
from apps.clients.services import wake_schedules
from apps.core.bus import publish
from apps.core.clock import read_now
from apps.core.errors import Conflict, FieldError, Invalid, NotFound
from apps.metrics.services import know_source
from apps.tests.algorithms.targets import normalise_target
from apps.tests.kinds import KINDS
from apps.tests.models import Assignment, Run, Target, Test
from apps.tests.published import ScheduleChanged, TestChanged
from apps.tests.services.planning import plan_test

NAME_LENGTH = 100
DURATION_LIMITS_SECONDS = (1.0, 86_400.0)
SAMPLE_LIMITS_SECONDS = (0.2, 3_600.0)
EVERY_LIMIT_SECONDS = 31 * 86_400.0


@dataclass(frozen=True, slots=True)
class TestDefinition:
    """A test as it is asked for; checked and normalised by `check_definition`."""

    name: str
    kind: str
    target: str
    duration_seconds: float
    sample_interval_seconds: float
    schedule_kind: str = "every"
    every_seconds: float | None = None
    slip_seconds: float = 0.0
    start_at: datetime | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


@transaction.atomic
def create_test(definition: TestDefinition, *, clients: Iterable[Client] = ()) -> Test:
    """The stored test, assigned to `clients`.

    Raises: Invalid naming each wrong field and its limit, Conflict for a name that is taken.
    """
    checked = check_definition(definition)
    refuse_taken_name(checked.name)
    test = Test(created_at=read_now(), created_by=read_actor().user)
    apply_definition(test, checked)
    test.save(force_insert=True)
    assign_clients(test=test, clients=clients)
    record_audit(action="create", target=test, after=describe_test(test))
    publish(TestChanged(test.id))
    return test


def lock_test(test: Test) -> Test:
    """The test as it is stored right now, locked; every change begins here.

    Locks are taken in the order test, clients, audit, so that two changes never wait in a circle.
    Raises: NotFound when it was deleted meanwhile.
    """
    locked = Test.objects.select_for_update(no_key=True).filter(id=test.id).first()
    if locked is None:
        raise NotFound("test_unknown", "There is no such test any more.")
    return locked


@transaction.atomic
def change_test(test: Test, definition: TestDefinition) -> Test:
    """The test with its new definition; runs planned by the old one are taken back.

    Raises: Invalid naming each wrong field and its limit, Conflict for a name that is taken.
    """
    checked = check_definition(definition)
    locked = lock_test(test)
    refuse_taken_name(checked.name, except_id=locked.id)
    before = describe_test(locked)
    apply_definition(locked, checked)
    locked.save()
    restart_schedule(locked)
    record_audit(action="change", target=locked, before=before, after=describe_test(locked))
    return locked


def check_definition(definition: TestDefinition) -> TestDefinition:
    """The definition with its target normalised and its parameters completed."""
    kind = KINDS.get(definition.kind)
    if kind is None:
        allowed = ", ".join(sorted(KINDS))
        raise Invalid([FieldError("kind", "unknown_kind", f"must be one of {allowed}")])
    errors = [*check_text(definition), *check_times(definition)]
    parameters = kind.fill_defaults(definition.parameters)
    errors += kind.check_parameters(parameters)
    target = definition.target
    try:
        target = normalise_target(kind.target_form, definition.target)
    except ValueError as error:
        errors.append(FieldError("target", "malformed", str(error)))
    if errors:
        raise Invalid(errors)
    return TestDefinition(
        name=definition.name.strip(),
        kind=definition.kind,
        target=target,
        duration_seconds=definition.duration_seconds,
        sample_interval_seconds=definition.sample_interval_seconds,
        schedule_kind=definition.schedule_kind,
        every_seconds=definition.every_seconds,
        slip_seconds=definition.slip_seconds,
        start_at=definition.start_at or read_now(),
        parameters=parameters,
    )


def check_text(definition: TestDefinition) -> list[FieldError]:
    errors = []
    if not 1 <= len(definition.name.strip()) <= NAME_LENGTH:
        errors.append(FieldError("name", "length", f"must have 1 to {NAME_LENGTH} characters"))
    if definition.schedule_kind not in Test.ScheduleKind.values:
        allowed = ", ".join(Test.ScheduleKind.values)
        errors.append(FieldError("schedule_kind", "unknown", f"must be one of {allowed}"))
    return errors


def check_times(definition: TestDefinition) -> list[FieldError]:
    errors = [
        *check_between("duration_seconds", definition.duration_seconds, *DURATION_LIMITS_SECONDS),
        *check_between(
            "sample_interval_seconds", definition.sample_interval_seconds, *SAMPLE_LIMITS_SECONDS
        ),
    ]
    if not errors and definition.sample_interval_seconds > definition.duration_seconds:
        detail = f"must not exceed the duration ({definition.duration_seconds:g} s)"
        errors.append(FieldError("sample_interval_seconds", "out_of_range", detail))
    if definition.schedule_kind != Test.ScheduleKind.EVERY:
        return errors
    every = definition.every_seconds
    if every is None:
        errors.append(FieldError("every_seconds", "required", "is needed for this schedule"))
        return errors
    errors += check_between(
        "every_seconds", every, definition.duration_seconds, EVERY_LIMIT_SECONDS
    )
    errors += check_between(
        "slip_seconds", definition.slip_seconds, 0.0, max(every - definition.duration_seconds, 0.0)
    )
    return errors


def check_between(name: str, value: float, lowest: float, highest: float) -> list[FieldError]:
    if lowest <= value <= highest:
        return []
    limits = f"{lowest:.12g} to {highest:.12g}"
    return [FieldError(name, "out_of_range", f"must be from {limits} seconds")]


def refuse_taken_name(name: str, except_id: UUID | None = None) -> None:
    others = Test.objects.filter(name=name)
    if except_id is not None:
        others = others.exclude(id=except_id)
    if others.exists():
        raise Conflict("name_taken", f"Another test is called {name!r}.", field="name")


def apply_definition(test: Test, checked: TestDefinition) -> None:
    target, _made = Target.objects.get_or_create(address=checked.target)
    test.name = checked.name
    test.kind = checked.kind
    test.target = target
    test.parameters = dict(checked.parameters)
    test.duration_seconds = checked.duration_seconds
    test.sample_interval_seconds = checked.sample_interval_seconds
    test.schedule_kind = checked.schedule_kind
    is_every = checked.schedule_kind == Test.ScheduleKind.EVERY
    test.every_seconds = checked.every_seconds if is_every else None
    test.slip_seconds = checked.slip_seconds if is_every else 0.0
    test.start_at = checked.start_at or read_now()


def describe_test(test: Test) -> dict[str, Any]:
    return {
        "name": test.name,
        "kind": test.kind,
        "target": test.target.address if test.target else None,
        "parameters": test.parameters,
        "duration_seconds": test.duration_seconds,
        "sample_interval_seconds": test.sample_interval_seconds,
        "schedule_kind": test.schedule_kind,
        "every_seconds": test.every_seconds,
        "slip_seconds": test.slip_seconds,
        "start_at": test.start_at,
        "is_paused": test.is_paused,
    }


@transaction.atomic
def assign_clients(*, test: Test, clients: Iterable[Client]) -> None:
    """Make exactly `clients` run the test; whoever is taken away keeps its history."""
    test = lock_test(test)
    wanted = {client.id: client for client in clients}
    existing = {row.client_id: row for row in test.assignments.all()}
    now = read_now()
    before = sorted(str(key) for key, row in existing.items() if row.removed_at is None)
    for client_id, row in existing.items():
        if client_id not in wanted and row.removed_at is None:
            # Runs before their assignment, as a result that comes in locks them.
            take_back_runs([row.id], "assignment removed")
            row.removed_at = now
            row.save(update_fields=["removed_at"])
    for client_id, client in wanted.items():
        row = existing.get(client_id) or Assignment(test=test, client=client, created_at=now)
        if row.removed_at is not None:
            forget_cancelled_runs(row)
        row.removed_at = None
        row.planned_until = None
        row.save()
        if row.source_id is None:
            row.source_id = know_source(client_id, "assignment", str(row.id))
            row.save(update_fields=["source"])
    plan_test(test)
    wake([*existing, *wanted])
    after = sorted(str(client_id) for client_id in wanted)
    if before != after:
        record_audit(
            action="assign", target=test, before={"clients": before}, after={"clients": after}
        )
    publish(TestChanged(test.id))


def forget_cancelled_runs(row: Assignment) -> None:
    """Make room for the same slots again, which were cancelled when the client was taken away."""
    row.runs.filter(
        state=Run.State.CANCELLED, is_on_demand=False, result=None, start_at__gt=read_now()
    ).delete()


def wake(client_ids: Iterable[UUID]) -> None:
    """Let the agents of these clients fetch their schedule now."""
    unique = tuple(sorted(set(client_ids)))
    wake_schedules(unique)
    publish(ScheduleChanged(unique))


def take_back_runs(assignment_ids: Iterable[UUID], reason: str) -> None:
    """Forget future runs that no agent has seen, and cancel those that one holds."""
    future = Run.objects.filter(assignment_id__in=list(assignment_ids))
    future.filter(state=Run.State.SCHEDULED).delete()
    future.filter(state=Run.State.LEASED).update(
        state=Run.State.CANCELLED, reason=reason, finished_at=read_now()
    )


def restart_schedule(test: Test) -> None:
    """Plan the locked test anew under the next revision, whose slots have ids of their own."""
    assignments = list(test.assignments.filter(removed_at=None))
    take_back_runs([row.id for row in assignments], "schedule changed")
    test.schedule_revision += 1
    test.save(update_fields=["schedule_revision"])
    test.assignments.update(planned_until=None)
    plan_test(test)
    wake(row.client_id for row in assignments)
    publish(TestChanged(test.id))


def pause_test(*, test: Test) -> None:
    """Plan no more runs until it is resumed; a run that is running goes on to its end."""
    set_paused(test, is_paused=True)


def resume_test(*, test: Test) -> None:
    set_paused(test, is_paused=False)


@transaction.atomic
def set_paused(test: Test, *, is_paused: bool) -> None:
    locked = lock_test(test)
    if locked.is_paused != is_paused:
        locked.is_paused = is_paused
        locked.save(update_fields=["is_paused"])
        restart_schedule(locked)
        record_audit(action="pause" if is_paused else "resume", target=locked)
    test.refresh_from_db()


@transaction.atomic
def delete_test(*, test: Test) -> None:
    """Remove the test with its runs and everything measured by it."""
    locked = lock_test(test)
    assignments = list(locked.assignments.select_related("source"))
    wake(row.client_id for row in assignments)
    record_audit(action="delete", target=locked, before=describe_test(locked))
    sources = [row.source for row in assignments if row.source is not None]
    locked.delete()
    for source in sources:
        source.delete()
    publish(TestChanged(test.id))
