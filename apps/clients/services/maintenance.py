"""Maintenance windows: made, changed, ended early and deleted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from apps.accounts.actors import read_actor
from apps.accounts.services import audited, record_audit
from apps.clients.algorithms.recurrence import (
    Recurrence,
    RecurrenceFault,
    check_recurrence,
    list_occurrences,
)
from apps.clients.algorithms.selector import Selector
from apps.clients.models import MaintenanceWindow
from apps.clients.published import MaintenanceChanged
from apps.clients.selectors import read_recurrence
from apps.clients.services.members import read_members
from apps.core.bus import publish
from apps.core.clock import read_now
from apps.core.errors import Conflict, FieldError, Invalid, NotFound

NAME_LENGTH = 100


@dataclass(frozen=True, slots=True)
class WindowDefinition:
    """A maintenance window as it is asked for; `selector` as `Selector` stores itself."""

    name: str
    starts_at: datetime
    duration_seconds: int
    time_zone: str
    effect: str = "pause"
    recurrence: str = ""
    selector: Mapping[str, Any] = field(default_factory=dict)


def check_window(definition: WindowDefinition) -> Selector:
    """The selector of a definition that can be stored.

    Raises: Invalid naming each wrong field and its limit.
    """
    errors = []
    if not 1 <= len(definition.name.strip()) <= NAME_LENGTH or not definition.name.isprintable():
        detail = f"must have 1 to {NAME_LENGTH} characters, none of them a control character"
        errors.append(FieldError("name", "length", detail))
    if definition.effect not in MaintenanceWindow.Effect.values:
        allowed = ", ".join(MaintenanceWindow.Effect.values)
        errors.append(FieldError("effect", "unknown", f"must be one of {allowed}"))
    try:
        check_recurrence(build_recurrence(definition))
    except RecurrenceFault as fault:
        errors.append(FieldError(fault.field, fault.code, fault.detail))
    selector, faults = read_members(definition.selector)
    errors += faults
    if errors:
        raise Invalid(errors)
    return selector


def build_recurrence(definition: WindowDefinition) -> Recurrence:
    return Recurrence(
        starts_at=definition.starts_at,
        duration_seconds=definition.duration_seconds,
        time_zone=definition.time_zone,
        rule=definition.recurrence,
    )


@audited()
def create_window(definition: WindowDefinition) -> MaintenanceWindow:
    """The stored window.

    Raises: Invalid naming each wrong field and its limit.
    """
    selector = check_window(definition)
    window = MaintenanceWindow(created_at=read_now(), created_by=read_actor().user)
    apply_definition(window, definition, selector)
    window.save(force_insert=True)
    record_audit(action="create", target=window, after=describe_window(window))
    publish(MaintenanceChanged(window.id))
    return window


@audited()
def change_window(*, window: MaintenanceWindow, definition: WindowDefinition) -> MaintenanceWindow:
    """The window as it is to be from now on, an early end by hand forgotten.

    Raises: Invalid naming each wrong field and its limit, NotFound when it was deleted meanwhile.
    """
    selector = check_window(definition)
    locked = lock_window(window)
    before = describe_window(locked)
    apply_definition(locked, definition, selector)
    locked.ended_at = None
    locked.save()
    record_audit(action="change", target=locked, before=before, after=describe_window(locked))
    publish(MaintenanceChanged(locked.id))
    return locked


@audited()
def end_window(*, window: MaintenanceWindow) -> MaintenanceWindow:
    """The window with what is going on ended now; a repeated one comes again as planned.

    Raises: Conflict(not_running) when nothing is going on.
    """
    locked = lock_window(window)
    now = read_now()
    running = list_occurrences(
        read_recurrence(locked), start=now, end=now + timedelta(microseconds=1)
    )
    if not running:
        raise Conflict("not_running", "This maintenance window is not going on right now.")
    before = {"ended_at": locked.ended_at}
    locked.ended_at = now
    locked.save(update_fields=["ended_at"])
    record_audit(action="end", target=locked, before=before, after={"ended_at": now})
    publish(MaintenanceChanged(locked.id))
    return locked


@audited()
def delete_window(*, window: MaintenanceWindow) -> None:
    """Remove the window; what it paused is planned again as far as it lies ahead.

    Raises: NotFound when it was deleted meanwhile.
    """
    locked = lock_window(window)
    record_audit(action="delete", target=locked, before=describe_window(locked))
    publish(MaintenanceChanged(locked.id))
    locked.delete()


def lock_window(window: MaintenanceWindow) -> MaintenanceWindow:
    locked = MaintenanceWindow.objects.select_for_update(no_key=True).filter(id=window.id).first()
    if locked is None:
        raise NotFound("window_unknown", "There is no such maintenance window any more.")
    return locked


def apply_definition(
    window: MaintenanceWindow, definition: WindowDefinition, selector: Selector
) -> None:
    window.name = definition.name.strip()
    window.effect = definition.effect
    window.starts_at = definition.starts_at.replace(microsecond=0)
    window.duration_seconds = definition.duration_seconds
    window.time_zone = definition.time_zone
    window.recurrence = definition.recurrence
    window.selector = selector.as_document()


def describe_window(window: MaintenanceWindow) -> dict[str, Any]:
    return {
        "name": window.name,
        "effect": window.effect,
        "starts_at": window.starts_at,
        "duration_seconds": window.duration_seconds,
        "time_zone": window.time_zone,
        "recurrence": window.recurrence,
        "selector": window.selector,
    }
