"""The one sentence that a finding of any kind has, made of its figures."""

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.metrics.catalogue import read_key
from apps.ml.diagnosis.judges import JUDGES
from apps.ml.models import Finding
from apps.ml.selectors.joint_sentences import NAMES, describe_joint
from apps.ml.selectors.sentences import describe_series

# Of what a host measures; what tests measure is named with the contributions of a result.
HOST_NAMES: Mapping[str, str | Promise] = {
    "system.cpu.utilization": gettext_lazy("Processor use"),
    "system.memory.utilization": gettext_lazy("Memory use"),
    "system.cpu.load_average.1m": gettext_lazy("Load"),
    "system.cpu.pressure": gettext_lazy("Waiting for the processor"),
    "system.io.pressure": gettext_lazy("Waiting for disks"),
    "system.network.io.rate{direction=receive}": gettext_lazy("Traffic in"),
    "system.network.io.rate{direction=transmit}": gettext_lazy("Traffic out"),
    "system.disk.io.rate{direction=read}": gettext_lazy("Reading"),
    "system.disk.io.rate{direction=write}": gettext_lazy("Writing"),
    "system.filesystem.utilization": gettext_lazy("Space used"),
}
CHANNEL_NAMES: Mapping[str, str | Promise] = {
    "range": gettext_lazy("Outside its range"),
    "jump": gettext_lazy("Sudden step"),
    "shift": gettext_lazy("Shifted mean"),
    "discord": gettext_lazy("Unlike its past"),
    "season": gettext_lazy("Against its rhythm"),
}
PERCENT = 100


def describe_finding(finding: Finding) -> str:
    """For example "Traffic in of eth0: largest step from one value to the next in 9 days".

    The finding's source must be loaded with it: of a stream of many its subject is named.
    """
    if finding.kind == Finding.Kind.SERIES_ANOMALY:
        words = describe_series(finding.cause, finding.evidence) or _("unusual")
        return f"{name_series(finding)}: {words}"
    if finding.kind == Finding.Kind.JOINT_ANOMALY:
        words = describe_joint(finding.evidence) or _("no single figure stands out")
        return _("Unusual as a whole: %(words)s") % {"words": words}
    return describe_verdict(finding)


def describe_verdict(finding: Finding) -> str:
    """The cause, how sure it is, and the first evidence of a diagnosis."""
    verdict = finding.evidence.get("verdict") or {}
    first: Any = next(iter(verdict.get("evidence") or ()), None)
    words = {
        "cause": name_cause(finding.cause),
        "percent": round(PERCENT * (finding.confidence or 0)),
    }
    title = _("%(cause)s (%(percent)d %% sure)") % words
    sentence = first.get("sentence", "") if isinstance(first, Mapping) else ""
    return f"{title}: {sentence}" if sentence else title


def name_series(finding: Finding) -> str:
    """What people call the series that a finding is about."""
    name = name_metric(finding.metric)
    subject = finding.source.subject if finding.source else ""
    if not subject or finding.test_id:
        return name
    return _("%(metric)s of %(subject)s") % {"metric": name, "subject": subject}


def name_metric(key: str) -> str:
    """What people call a metric key; the catalogue's words, or the key itself, of others."""
    name = HOST_NAMES.get(key) or NAMES.get(key)
    if name is not None:
        text = str(name)
        return text[:1].upper() + text[1:]
    known: Any = read_key(key)
    return known.metric.description if known else key


def name_cause(cause: str) -> str:
    """The class of problems, or the channel of a detector; another word stays as it is."""
    judge = JUDGES.get(cause)
    return judge.title if judge is not None else str(CHANNEL_NAMES.get(cause, cause))
