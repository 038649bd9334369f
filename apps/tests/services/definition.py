"""Tests as operators define them: what is asked for, checked and brought into one form."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from apps.clients.algorithms.selector import parse_selector
from apps.clients.models import Client
from apps.clients.services import read_members
from apps.core.clock import read_now
from apps.core.errors import Conflict, FieldError, Invalid
from apps.tests.algorithms.cron import CronFault, check_cron
from apps.tests.algorithms.targets import normalise_target
from apps.tests.kinds import KINDS
from apps.tests.models import Target, Test
from apps.tests.services.pairing import check_pairing, describe_pairing, normalise_pairing

NAME_LENGTH = 100
DURATION_LIMITS_SECONDS = (1.0, 86_400.0)
SAMPLE_LIMITS_SECONDS = (0.2, 3_600.0)
EVERY_LIMIT_SECONDS = 31 * 86_400.0
WANTED_LIMITS = (1, 1000)
FIRST_START = datetime(2000, 1, 1, tzinfo=UTC)
LONGEST_WAIT_YEARS = 10


@dataclass(frozen=True, slots=True)
class TestDefinition:
    """A test as it is asked for; checked and normalised by `check_definition`.

    `selector` is written as `clients.algorithms.selector.Selector` stores itself and counts, as
    `wanted_clients` does, only where `selection_kind` asks for it. The four last count only for
    kinds of two participants, which have no target.
    """

    name: str
    kind: str
    target: str
    duration_seconds: float
    sample_interval_seconds: float
    schedule_kind: str = "every"
    every_seconds: float | None = None
    cron_expression: str = ""
    time_zone: str = ""
    slip_seconds: float = 0.0
    start_at: datetime | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    selection_kind: str = "clients"
    selector: Mapping[str, Any] = field(default_factory=dict)
    wanted_clients: int | None = None
    topology: str = ""
    hub_id: UUID | None = None
    directions: str = ""
    peer_address: str = ""


def check_definition(definition: TestDefinition) -> TestDefinition:
    """The definition with its target normalised and its parameters completed.

    Raises: Invalid naming each wrong field and its limit.
    """
    kind = KINDS.get(definition.kind)
    if kind is None:
        allowed = ", ".join(sorted(KINDS))
        raise Invalid([FieldError("kind", "unknown_kind", f"must be one of {allowed}")])
    parameters = kind.fill_defaults(definition.parameters)
    errors = [
        *check_text(definition),
        *check_times(definition),
        *check_selection(definition),
        *kind.check_parameters(parameters),
    ]
    target = ""
    if kind.is_paired:
        errors += check_pairing(definition)
    else:
        try:
            target = normalise_target(kind.target_form, definition.target)
        except ValueError as error:
            errors.append(FieldError("target", "malformed", str(error)))
    if errors:
        raise Invalid(errors)
    is_by_rule = definition.selection_kind != Test.SelectionKind.CLIENTS
    is_counted = definition.selection_kind == Test.SelectionKind.ANY
    return replace(
        definition,
        name=definition.name.strip(),
        target=target,
        start_at=definition.start_at or read_now(),
        parameters=parameters,
        selector=parse_selector(definition.selector).as_document() if is_by_rule else {},
        wanted_clients=definition.wanted_clients if is_counted else None,
        **normalise_pairing(definition, is_paired=kind.is_paired),
    )


def check_text(definition: TestDefinition) -> list[FieldError]:
    errors = []
    if not 1 <= len(definition.name.strip()) <= NAME_LENGTH:
        errors.append(FieldError("name", "length", f"must have 1 to {NAME_LENGTH} characters"))
    if definition.schedule_kind not in Test.ScheduleKind.values:
        allowed = ", ".join(Test.ScheduleKind.values)
        errors.append(FieldError("schedule_kind", "unknown", f"must be one of {allowed}"))
    if definition.selection_kind not in Test.SelectionKind.values:
        allowed = ", ".join(Test.SelectionKind.values)
        errors.append(FieldError("selection_kind", "unknown", f"must be one of {allowed}"))
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
    if definition.schedule_kind == Test.ScheduleKind.EVERY:
        errors += check_every(definition)
    if definition.schedule_kind == Test.ScheduleKind.CRON:
        errors += check_cron_fields(definition)
    return [*errors, *check_start(definition.start_at)]


def check_start(start_at: datetime | None) -> list[FieldError]:
    latest = read_now() + timedelta(days=365.25 * LONGEST_WAIT_YEARS)
    if start_at is None or FIRST_START <= start_at <= latest:
        return []
    detail = f"must be from {FIRST_START:%Y-%m-%d} to {LONGEST_WAIT_YEARS} years from now"
    return [FieldError("start_at", "out_of_range", detail)]


def check_every(definition: TestDefinition) -> list[FieldError]:
    every = definition.every_seconds
    if every is None:
        return [FieldError("every_seconds", "required", "is needed for this schedule")]
    longest_slip = max(every - definition.duration_seconds, 0.0)
    return [
        *check_between("every_seconds", every, definition.duration_seconds, EVERY_LIMIT_SECONDS),
        *check_between("slip_seconds", definition.slip_seconds, 0.0, longest_slip),
    ]


def check_cron_fields(definition: TestDefinition) -> list[FieldError]:
    missing = [
        FieldError(name, "required", "is needed for this schedule")
        for name in ("cron_expression", "time_zone")
        if not getattr(definition, name).strip()
    ]
    if missing:
        return missing
    try:
        check_cron(
            definition.cron_expression,
            definition.time_zone,
            now=read_now(),
            duration_seconds=definition.duration_seconds,
            slip_seconds=definition.slip_seconds,
        )
    except CronFault as fault:
        return [FieldError(fault.field, fault.code, fault.detail)]
    return []


def check_between(name: str, value: float, lowest: float, highest: float) -> list[FieldError]:
    if lowest <= value <= highest:
        return []
    limits = f"{lowest:.12g} to {highest:.12g}"
    return [FieldError(name, "out_of_range", f"must be from {limits} seconds")]


def check_selection(definition: TestDefinition) -> list[FieldError]:
    """What is wrong with who is to run the test; unknown sites, tags and clients are named."""
    if definition.selection_kind == Test.SelectionKind.CLIENTS:
        return []
    errors = []
    if definition.selection_kind == Test.SelectionKind.ANY:
        lowest, highest = WANTED_LIMITS
        wanted = definition.wanted_clients
        if wanted is None:
            detail = f"is needed for this selection: {lowest} to {highest}"
            errors.append(FieldError("wanted_clients", "required", detail))
        elif not lowest <= wanted <= highest:
            detail = f"must be from {lowest} to {highest}"
            errors.append(FieldError("wanted_clients", "out_of_range", detail))
    _selector, faults = read_members(definition.selector)
    return [*errors, *faults]


def refuse_deleted(client_ids: Collection[UUID]) -> None:
    """Raises: Invalid naming those of the clients that are there no longer."""
    there = Client.objects.filter(id__in=client_ids, deleted_at=None)
    gone = set(client_ids) - set(there.values_list("id", flat=True)) if client_ids else set()
    if gone:
        detail = f"there is no such client: {', '.join(sorted(map(str, gone)))}"
        raise Invalid([FieldError("clients", "unknown", detail)])


def refuse_taken_name(name: str, except_id: UUID | None = None) -> None:
    others = Test.objects.filter(name=name)
    if except_id is not None:
        others = others.exclude(id=except_id)
    if others.exists():
        raise Conflict("name_taken", f"Another test is called {name!r}.", field="name")


def apply_definition(test: Test, checked: TestDefinition) -> None:
    """Write a checked definition onto the test, which is not saved yet."""
    test.target = None
    if checked.target:
        test.target, _made = Target.objects.get_or_create(address=checked.target)
    fill_test(test, checked)


def fill_test(test: Test, checked: TestDefinition) -> None:
    """Write a checked definition onto the test, all but its target."""
    test.name = checked.name
    test.kind = checked.kind
    test.parameters = dict(checked.parameters)
    test.duration_seconds = checked.duration_seconds
    test.sample_interval_seconds = checked.sample_interval_seconds
    test.schedule_kind = checked.schedule_kind
    is_every = checked.schedule_kind == Test.ScheduleKind.EVERY
    is_cron = checked.schedule_kind == Test.ScheduleKind.CRON
    test.every_seconds = checked.every_seconds if is_every else None
    test.cron_expression = " ".join(checked.cron_expression.split()) if is_cron else ""
    test.time_zone = checked.time_zone if is_cron else ""
    test.slip_seconds = checked.slip_seconds if is_every or is_cron else 0.0
    test.start_at = checked.start_at or read_now()
    test.selection_kind = checked.selection_kind
    test.selector = dict(checked.selector)
    test.wanted_clients = checked.wanted_clients
    test.topology = checked.topology
    test.hub_id = checked.hub_id
    test.directions = checked.directions
    test.peer_address = checked.peer_address


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
        "cron_expression": test.cron_expression,
        "time_zone": test.time_zone,
        "slip_seconds": test.slip_seconds,
        "start_at": test.start_at,
        "selection_kind": test.selection_kind,
        "selector": test.selector,
        "wanted_clients": test.wanted_clients,
        **describe_pairing(test),
        "is_paused": test.is_paused,
    }
