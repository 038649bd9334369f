"""Sentences that are stored in English, said in the language of the report.

Diagnoses keep their advice, and agents report why a run failed, as text: it is known again by its
form, with what stood in the gaps. What is not known is quoted as it was said.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from apps.reports.sections.wording import localise

GAP = re.compile(r"%\((\w+)\)s")
DECIMAL = re.compile(r"\d+\.\d+")
MEASURED_GAPS = frozenset({"rate", "low", "high", "days"})
ADVICE = (
    gettext_noop("The whole site is away: check its power and its uplink."),
    gettext_noop("Look whether the host runs, then restart its agent."),
    gettext_noop(
        "Let the router queue fairly (SQM with fq_codel or CAKE) at 85 to 95 %% of the line's rate."
    ),
    gettext_noop(
        "Let the router queue fairly (SQM with fq_codel or CAKE) at 85 to 95 %% of the line's "
        "rate, that is %(low)s to %(high)s."
    ),
    gettext_noop(
        "Have the host keep its time by NTP (chrony, systemd-timesyncd); until then one-way delays "
        "and certificate checks of it mean nothing."
    ),
    gettext_noop("Find who fills the link at these hours, then shape or upgrade it."),
    gettext_noop("Save what is on the disk and replace it."),
    gettext_noop("Free space or enlarge the file system."),
    gettext_noop("Check the DNS server and its forwarders; use another resolver until it answers."),
    gettext_noop("Use a resolver nearby or one that caches; look at its forwarders."),
    gettext_noop("Relieve the host; do not trust its network figures meanwhile."),
    gettext_noop("Relieve the host (%(process)s); do not trust its network figures meanwhile."),
    gettext_noop(
        "Check the cable, the duplex mode and the errors of the switch port, then the load of the "
        "gateway."
    ),
    gettext_noop("Down: %(links)s."),
    gettext_noop(
        "Clamp the MSS at the tunnel or router, or let ICMP fragmentation needed (type 3 code 4) "
        "pass."
    ),
    gettext_noop(
        "Clamp the MSS to %(size)s bytes at the tunnel or router, or let ICMP fragmentation needed "
        "(type 3 code 4) pass."
    ),
    gettext_noop("Open a ticket with the provider; attach this result and a trace made meanwhile."),
    gettext_noop("Open a ticket with who runs hop %(number)s (%(address)s); attach the hop table."),
    gettext_noop(
        "Shape below the contract's rate, or ask the provider to shape instead of dropping."
    ),
    gettext_noop(
        "Shape below the contract's rate (%(rate)s), or ask the provider to shape instead of "
        "dropping."
    ),
    gettext_noop("Compare the two routes; if it stays slower, ask the provider why."),
    gettext_noop("Look at the service and its log; restart it if it hangs."),
    gettext_noop("It is the application, not the network: tell who runs it."),
    gettext_noop("Look at the server's TLS configuration and chain."),
    gettext_noop("Renew the certificate."),
    gettext_noop("Renew the certificate before that."),
    gettext_noop("Install the certificate of this name, or correct the name asked for."),
    gettext_noop("Complete the chain, or have a trusted authority sign it."),
    gettext_noop("Move the host or the access point, use 5 GHz, or connect by cable."),
)
REASONS = (
    gettext_noop("no reply"),
    gettext_noop("no answer in time"),
    gettext_noop("no answer from %(address)s to %(count)s probes"),
    gettext_noop("no answer from %(address)s to %(count)s packets"),
    gettext_noop("no answer from %(address)s in %(seconds)s s, so no packets were sent"),
    gettext_noop("no answer from %(address)s to a packet of %(size)s B"),
    gettext_noop("an answer came too late to count"),
    gettext_noop("no answer equals the expected one"),
    gettext_noop("connection refused"),
    gettext_noop("connection reset by peer"),
    gettext_noop("network is unreachable"),
    gettext_noop("no route to host"),
    gettext_noop("name or service not known"),
    gettext_noop("temporary failure in name resolution"),
    gettext_noop("status %(status)s"),
    gettext_noop("the text is not in the body"),
    gettext_noop("the body is no JSON"),
    gettext_noop("the body has no %(path)s"),
    gettext_noop("an empty body"),
    gettext_noop("more than %(count)s redirects"),
    gettext_noop("the server's own clock is not synchronised"),
    gettext_noop("time to live exceeded"),
    gettext_noop("the certificate is not for %(host)s"),
    gettext_noop("the certificate expires in %(days)s days"),
    gettext_noop("no hop answered"),
    gettext_noop("silence behind hop %(number)s, %(address)s"),
)
COUNTED = re.compile(r"(?P<words>.*?)(?P<count> \(\d+\))?", re.DOTALL)


def say_advice(text: str) -> str:
    """Advice of one sentence or several; as it stands where one of them is not known."""
    said: list[str] = []
    place = 0
    while place < len(text):
        found = next(find_sentences(ADVICE, text, place), None)
        if found is None:
            return text
        sentence, place = found
        said.append(sentence)
    return " ".join(said)


def say_reason(text: str) -> str:
    """Why a run failed: several reasons, each with how often it came; unknown ones as they are."""
    return "; ".join(say_part(part) for part in text.split("; "))


def say_part(part: str) -> str:
    match = COUNTED.fullmatch(part)
    words, count = (match["words"], match["count"] or "") if match else (part, "")
    whole = (said for said, end in find_sentences(REASONS, words, 0) if end == len(words))
    return next(whole, words) + count


def find_sentences(known: Sequence[str], text: str, place: int) -> Iterator[tuple[str, int]]:
    """What the text may say from `place` on, in the language, and where the next would begin."""
    for sentence in known:
        match = build_pattern(sentence).match(text, place)
        if match is not None:
            yield _(sentence) % fill_gaps(match.groupdict()), match.end()


def fill_gaps(gaps: dict[str, str]) -> dict[str, str]:
    return {
        name: DECIMAL.sub(lambda number: localise(number[0]), value)
        if name in MEASURED_GAPS
        else value
        for name, value in gaps.items()
    }


@cache
def build_pattern(sentence: str) -> re.Pattern[str]:
    """The sentence as it may be stored, in any case, ended by a blank or the end of the text."""
    parts = GAP.split(sentence)
    forms = [
        f"(?P<{part}>.+?)" if place % 2 else re.escape(part.replace("%%", "%"))
        for place, part in enumerate(parts)
    ]
    return re.compile("".join(forms) + r"(?: |\Z)", re.DOTALL | re.IGNORECASE)
