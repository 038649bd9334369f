"""What a finding about a series says, as a sentence made of its figures."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

MINUTE, HOUR, DAY = 60, 3600, 86_400
# From so many of a unit on, that unit is named.
LEAST_NAMED = 2


def describe_series(channel: str, evidence: Mapping[str, Any]) -> str:
    """For example "outside the range of the last 14 days by 12 %"; empty for another channel."""
    span = name_span(evidence.get("span_seconds", 0))
    window = name_span(evidence.get("window_seconds", 0))
    if channel == "range":
        percent = f"{100 * (evidence.get('ratio', 1) - 1):.3g}"
        text = _("outside the range of the last %(span)s by %(percent)s %% of its width")
        return text % {"span": span, "percent": percent}
    sentences = {
        "jump": _("largest step from one value to the next in %(span)s"),
        "shift": _("largest shift of the mean of %(window)s in %(span)s"),
        "discord": _("unlike any %(window)s of the last %(span)s"),
        "season": _("differs more from %(lag)s before than ever in %(span)s"),
    }
    lag = name_lag(evidence.get("lag_seconds", 0))
    return sentences.get(channel, "") % {"span": span, "window": window, "lag": lag}


def name_span(seconds: float) -> str:
    """A length of time in its largest fitting unit: "14 days", "50 minutes"."""
    if seconds >= LEAST_NAMED * DAY:
        count = round(seconds / DAY)
        return ngettext("%(count)d day", "%(count)d days", count) % {"count": count}
    if seconds >= LEAST_NAMED * HOUR:
        count = round(seconds / HOUR)
        return ngettext("%(count)d hour", "%(count)d hours", count) % {"count": count}
    count = max(1, round(seconds / MINUTE))
    return ngettext("%(count)d minute", "%(count)d minutes", count) % {"count": count}


def name_lag(seconds: float) -> str:
    return _("one week") if seconds > LEAST_NAMED * DAY else _("one day")
