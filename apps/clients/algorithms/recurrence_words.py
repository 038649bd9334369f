"""A recurrence in English words, and the rules that a form's few choices make."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from apps.clients.algorithms.recurrence import Recurrence

WEEKDAYS = {
    "MO": "Monday",
    "TU": "Tuesday",
    "WE": "Wednesday",
    "TH": "Thursday",
    "FR": "Friday",
    "SA": "Saturday",
    "SU": "Sunday",
}
ORDINALS = {"1": "first", "2": "second", "3": "third", "4": "fourth", "-1": "last"}
# The parts that a preset's rule has; a rule with any other is somebody's own.
SHAPES = {
    ("DAILY", frozenset({"FREQ"})): "daily",
    ("WEEKLY", frozenset({"FREQ", "BYDAY"})): "weekly",
    ("MONTHLY", frozenset({"FREQ", "BYDAY"})): "monthly",
}


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a rule is: `preset` once, daily, weekly, monthly or custom, and what that needs."""

    preset: str
    weekdays: tuple[str, ...] = ()
    ordinal: str = ""


def build_preset_rule(
    preset: str, *, weekdays: Sequence[str] = (), ordinal: str = "1", weekday: str = "MO"
) -> str:
    """The RRULE of a preset; empty for `once`.

    Raises: KeyError for an unknown preset.
    """
    rules = {
        "once": "",
        "daily": "FREQ=DAILY",
        "weekly": f"FREQ=WEEKLY;BYDAY={','.join(weekdays)}" if weekdays else "FREQ=WEEKLY",
        "monthly": f"FREQ=MONTHLY;BYDAY={ordinal}{weekday}",
    }
    return rules[preset]


def recognise_preset(rule: str) -> Pattern:
    """The preset that makes this rule, or `custom`."""
    if not rule:
        return Pattern("once")
    values = dict(part.partition("=")[::2] for part in rule.split(";"))
    preset = SHAPES.get((values.get("FREQ", ""), frozenset(values)), "custom")
    days = tuple(values.get("BYDAY", "").split(","))
    if preset == "weekly" and set(days) <= set(WEEKDAYS):
        return Pattern("weekly", days)
    if preset == "monthly" and days[0][-2:] in WEEKDAYS and days[0][:-2] in ORDINALS:
        return Pattern("monthly", (days[0][-2:],), days[0][:-2]) if len(days) == 1 else CUSTOM
    return Pattern("daily") if preset == "daily" else CUSTOM


CUSTOM = Pattern("custom")


def describe_recurrence(recurrence: Recurrence) -> str:
    """As "every Tuesday 22:00-23:30 Europe/Berlin"; somebody's own rule stands as it is."""
    zone = ZoneInfo(recurrence.time_zone)
    start = recurrence.starts_at.astimezone(zone)
    end = (recurrence.starts_at + recurrence.duration).astimezone(zone)
    times = f"{describe_span(start, end)} {recurrence.time_zone}"
    pattern = recognise_preset(recurrence.rule)
    if pattern.preset == "once":
        return f"once, {start:%Y-%m-%d} {times}"
    if pattern.preset == "daily":
        return f"every day {times}"
    names = [WEEKDAYS[day] for day in pattern.weekdays]
    if pattern.preset == "weekly":
        return f"every {join_words(names)} {times}"
    if pattern.preset == "monthly":
        return f"every {ORDINALS[pattern.ordinal]} {names[0]} of the month {times}"
    return f"{recurrence.rule}, {times}"


def describe_span(start: datetime, end: datetime) -> str:
    days = (end.date() - start.date()).days
    more = "" if days == 0 else f" (+{days} d)"
    return f"{start:%H:%M}\N{EN DASH}{end:%H:%M}{more}"


def join_words(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
