"""Report plans: made, changed and deleted."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from apps.accounts.models import User
from apps.accounts.services import audited, record_audit
from apps.clients.algorithms.recurrence import list_time_zones
from apps.clients.algorithms.selector import Selector, read_selector
from apps.core.clock import read_now
from apps.core.errors import FieldError, Invalid
from apps.reports import languages
from apps.reports.algorithms.periods import LAST_MONTH_DAY, find_next
from apps.reports.algorithms.pictures import check_picture
from apps.reports.models import ReportPlan
from apps.reports.sections import SECTIONS
from apps.reports.services.reports.document import COLOUR
from apps.reports.services.reports.limits import require_plan_room, require_sending

NAME_LENGTH = 100
LONGEST_ADDRESS = 254
MOST_RECIPIENTS = 50
MOST_TESTS = 200
LARGEST_LOGO_BYTES = 256 * 1024
LAST_HOUR, LAST_WEEKDAY = 23, 6
# Periods that are mostly the same at one due time and at the next.
UNCHANGED: Mapping[str, tuple[str, ...]] = {
    ReportPlan.Cadence.DAILY: (ReportPlan.Period.WEEK, ReportPlan.Period.MONTH),
    ReportPlan.Cadence.WEEKLY: (ReportPlan.Period.MONTH,),
}
ADDRESS = re.compile(r"[^@\s,;<>\"\x00-\x1f]+@[^@\s,;<>\"\x00-\x1f]+")


@dataclass(frozen=True, slots=True)
class PlanDefinition:
    """A plan as it is asked for; `selector` as `Selector` stores itself.

    `logo` is a PNG or JPEG file, empty for none; None keeps the one that is there.
    """

    name: str
    template: str = ReportPlan.Template.EXECUTIVE
    selector: Mapping[str, Any] = field(default_factory=dict)
    tests: Sequence[str] = ()
    period: str = ReportPlan.Period.MONTH
    time_zone: str = "UTC"
    language: str = "en"
    sections: Sequence[str] = ()
    accent: str = "#0f5fb8"
    cadence: str = ReportPlan.Cadence.NEVER
    hour: int = 6
    weekday: int = 0
    month_day: int = 1
    recipients: Sequence[str] = ()
    logo: bytes | None = None


def check_plan(definition: PlanDefinition) -> Selector:
    """The selector of a definition that can be stored.

    Raises: Invalid naming each wrong field and its limit.
    """
    errors = [
        *check_texts(definition),
        *check_choices(definition),
        *check_schedule(definition),
        *check_recipients(definition.recipients),
        *check_logo(definition.logo),
        *check_tests(definition.tests),
    ]
    selector, faults = read_selector(definition.selector)
    errors += faults
    if errors:
        raise Invalid(errors)
    return selector


def check_texts(definition: PlanDefinition) -> list[FieldError]:
    errors = []
    if not 1 <= len(definition.name.strip()) <= NAME_LENGTH or not definition.name.isprintable():
        detail = f"must have 1 to {NAME_LENGTH} characters, none of them a control character"
        errors.append(FieldError("name", "length", detail))
    if not COLOUR.fullmatch(definition.accent):
        errors.append(FieldError("accent", "malformed", "must be a colour like #0f5fb8"))
    return errors


def check_choices(definition: PlanDefinition) -> list[FieldError]:
    """An error for each member that is none of its choices."""
    choices: dict[str, Iterable[str]] = {
        "template": ReportPlan.Template.values,
        "period": ReportPlan.Period.values,
        "language": languages.CODES,
        "cadence": ReportPlan.Cadence.values,
    }
    errors = [
        FieldError(name, "unknown", f"must be one of {', '.join(allowed)}")
        for name, allowed in choices.items()
        if getattr(definition, name) not in allowed
    ]
    if definition.time_zone not in list_time_zones():
        errors.append(FieldError("time_zone", "unknown", "must be a name like Europe/Berlin"))
    unknown = [name for name in definition.sections if name not in SECTIONS]
    if unknown or len(set(definition.sections)) != len(definition.sections):
        detail = f"must each be named once, of {', '.join(SECTIONS)}"
        errors.append(FieldError("sections", "unknown", detail))
    return errors


def check_schedule(definition: PlanDefinition) -> list[FieldError]:
    limits = {
        "hour": (0, LAST_HOUR),
        "weekday": (0, LAST_WEEKDAY),
        "month_day": (1, LAST_MONTH_DAY),
    }
    errors = [
        FieldError(name, "out_of_range", f"must be from {least} to {most}")
        for name, (least, most) in limits.items()
        if not least <= getattr(definition, name) <= most
    ]
    if definition.period in UNCHANGED.get(definition.cadence, ()):
        detail = (
            f"must not be {definition.period} with the cadence {definition.cadence}: most of the"
            " time it would be the same period again"
        )
        errors.append(FieldError("period", "too_long", detail))
    if definition.cadence != ReportPlan.Cadence.NEVER and not definition.recipients:
        detail = "must name somebody, or nobody gets what is sent by itself"
        errors.append(FieldError("recipients", "required", detail))
    return errors


def check_recipients(recipients: Sequence[str]) -> list[FieldError]:
    if len(recipients) > MOST_RECIPIENTS:
        return [FieldError("recipients", "too_many", f"must be at most {MOST_RECIPIENTS}")]
    wrong = [
        one
        for one in recipients
        if len(one) > LONGEST_ADDRESS or not ADDRESS.fullmatch(one) or parseaddr(one)[1] != one
    ]
    if wrong:
        return [FieldError("recipients", "malformed", f"{wrong[0][:60]!r} is no e-mail address")]
    return []


def check_logo(logo: bytes | None) -> list[FieldError]:
    if not logo:
        return []
    if len(logo) > LARGEST_LOGO_BYTES:
        return [FieldError("logo", "too_large", f"must have at most {LARGEST_LOGO_BYTES} bytes")]
    detail = check_picture(logo)
    return [FieldError("logo", "malformed", detail)] if detail else []


def check_tests(tests: Sequence[str]) -> list[FieldError]:
    if len(tests) > MOST_TESTS:
        return [FieldError("tests", "too_many", f"must be at most {MOST_TESTS}")]
    try:
        for one in tests:
            UUID(one)
    except ValueError:
        return [FieldError("tests", "malformed", "must be ids of tests")]
    return []


@audited()
def create_plan(definition: PlanDefinition, *, owner: User) -> ReportPlan:
    """The stored plan.

    Raises: Invalid naming each wrong field and its limit; Refused as `require_sending`; Conflict
    when `owner` has too many.
    """
    selector = check_plan(definition)
    require_sending(owner, definition.recipients)
    require_plan_room(owner)
    plan = ReportPlan(owner=owner, created_at=read_now())
    apply_definition(plan, definition, selector)
    plan.save(force_insert=True)
    record_audit(action="create", target=plan, after=describe_plan(plan))
    return plan


def draft_plan(definition: PlanDefinition, *, owner: User) -> ReportPlan:
    """The plan as it would be, stored nowhere.

    Raises: Invalid naming each wrong field and its limit.
    """
    plan = ReportPlan(owner=owner, created_at=read_now())
    apply_definition(plan, definition, check_plan(definition))
    return plan


@audited()
def change_plan(*, plan: ReportPlan, definition: PlanDefinition) -> ReportPlan:
    """The plan as it is from now on.

    Raises: Invalid naming each wrong field and its limit; Refused as `require_sending`.
    """
    selector = check_plan(definition)
    require_sending(plan.owner, definition.recipients)
    before = describe_plan(plan)
    apply_definition(plan, definition, selector)
    plan.save()
    record_audit(action="change", target=plan, before=before, after=describe_plan(plan))
    return plan


@audited()
def change_logo(*, plan: ReportPlan, logo: bytes) -> ReportPlan:
    """The plan with that PNG or JPEG as its logo, or with none when it is empty.

    Raises: Invalid naming the limit.
    """
    errors = check_logo(logo)
    if errors:
        raise Invalid(errors)
    before = describe_plan(plan)
    plan.logo = logo or None
    plan.save(update_fields=["logo"])
    record_audit(action="change", target=plan, before=before, after=describe_plan(plan))
    return plan


@audited()
def delete_plan(plan: ReportPlan) -> None:
    """The plan is gone, with its reports."""
    record_audit(action="delete", target=plan, before=describe_plan(plan))
    plan.delete()


def apply_definition(plan: ReportPlan, definition: PlanDefinition, selector: Selector) -> None:
    names = ("template", "period", "time_zone", "language", "accent", "cadence", "hour", "weekday")
    for name in (*names, "month_day"):
        setattr(plan, name, getattr(definition, name))
    plan.name = definition.name.strip()
    plan.selector = selector.as_document()
    plan.tests = sorted(set(definition.tests))
    plan.sections = list(definition.sections)
    plan.recipients = sorted(set(definition.recipients))
    if definition.logo is not None:
        plan.logo = definition.logo or None
    plan.next_at = find_next_of(plan)


def find_next_of(plan: ReportPlan) -> Any:
    """When the plan is due again by itself; None for never."""
    return find_next(
        plan.cadence,
        read_now(),
        ZoneInfo(plan.time_zone),
        hour=plan.hour,
        weekday=plan.weekday,
        month_day=plan.month_day,
    )


def describe_plan(plan: ReportPlan) -> dict[str, Any]:
    """What the audit says of a plan."""
    names = (
        "name", "template", "selector", "tests", "period", "time_zone", "language", "sections",
        "accent", "cadence", "hour", "weekday", "month_day", "recipients",
    )  # fmt: skip
    return {**{name: getattr(plan, name) for name in names}, "logo_bytes": len(plan.logo or b"")}
