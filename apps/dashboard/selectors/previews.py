"""What a test that is being typed would do, as far as what is typed makes sense."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apps.accounts.policy import AnyUser
from apps.clients.algorithms.selector import parse_selector
from apps.clients.selectors import may_select
from apps.core.clock import read_now
from apps.tests.algorithms.cron import CronFault, check_cron, describe_cron
from apps.tests.kinds import KINDS
from apps.tests.models import Test
from apps.tests.services.definition import WANTED_LIMITS
from apps.tests.services.rehearsal import Named, list_next_starts, rehearse_selection


@dataclass(frozen=True, slots=True)
class Preview:
    """Who would run the test and when; empty where nothing can be said yet."""

    starts: tuple[datetime, ...] = ()
    words: str = ""
    fault: str = ""
    is_by_rule: bool = False
    is_out_of_reach: bool = False
    clients: tuple[Named, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
    note: str = ""


def preview_test(
    user: AnyUser, values: Mapping[str, Any], selector: Mapping[str, Any], *, test: Test | None
) -> Preview:
    """The preview of what the form's fields hold that are right by themselves."""
    planned = Test(id=test.id) if test else Test()
    planned.created_by = test.created_by if test else None
    planned.kind = values["kind"]
    planned.parameters = KINDS[planned.kind].fill_defaults(values.get("parameters", {}))
    planned.duration_seconds = values.get("duration_seconds") or 1.0
    planned.sample_interval_seconds = values.get("sample_interval_seconds") or 1.0
    planned.start_at = values.get("start_at") or read_now()
    planned.schedule_kind = values.get("schedule_kind") or Test.ScheduleKind.EVERY
    planned.every_seconds = values.get("every_seconds")
    planned.selection_kind = values.get("selection_kind") or Test.SelectionKind.CLIENTS
    planned.selector = parse_selector(selector).as_document()
    planned.wanted_clients = values.get("wanted_clients")
    if KINDS[planned.kind].is_paired:
        planned.topology = values.get("topology") or Test.Topology.PAIR
        planned.directions = values.get("directions") or Test.Directions.OUT
        planned.hub = values.get("hub")
    return Preview(
        **preview_schedule(planned, values),
        **preview_selection(user, planned),
    )


def preview_schedule(test: Test, values: Mapping[str, Any]) -> dict[str, Any]:
    if test.schedule_kind != Test.ScheduleKind.CRON:
        is_regular = test.schedule_kind == Test.ScheduleKind.EVERY and test.every_seconds
        return {"starts": list_next_starts(test, now=read_now()) if is_regular else ()}
    expression, zone = values.get("cron_expression", ""), values.get("time_zone", "")
    if not expression:
        return {}
    try:
        check_cron(expression, zone, now=read_now())
    except CronFault as fault:
        return {"fault": fault.detail}
    test.cron_expression, test.time_zone = expression, zone
    starts = list_next_starts(test, now=read_now())
    return {"words": describe_cron(expression), "starts": starts}


def preview_selection(user: AnyUser, test: Test) -> dict[str, Any]:
    if test.selection_kind == Test.SelectionKind.CLIENTS:
        return {}
    if not may_select(user, parse_selector(test.selector)):
        return {"is_by_rule": True, "is_out_of_reach": True}
    lowest, highest = WANTED_LIMITS
    is_any = test.selection_kind == Test.SelectionKind.ANY
    if is_any and not lowest <= (test.wanted_clients or 0) <= highest:
        return {}
    named, choice = rehearse_selection(test)
    if choice is None:
        return {}
    return {
        "is_by_rule": True,
        "clients": tuple(named),
        "left_out": choice.left_out,
        "note": choice.note,
    }
