"""The part of Prometheus' query language that names series: `name{label="value", ...}`."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from apps.reports.algorithms.patterns import Pattern, States

NAME_LABEL = "__name__"
LONGEST_QUERY = 8_000
MOST_MATCHERS = 50
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
OPERATOR = re.compile(r"=~|!~|!=|=")
SPACE = re.compile(r"\s*")
STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|`[^`]*`')
ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)")
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}
# Possessive, so that no stranger's digits are tried in more ways than one.
NUMBER = r"[+-]?+(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?+[0-9]++)?+"
SUM = re.compile(rf"\s*+({NUMBER})\s*+(?:([-+*/])\s*+({NUMBER})\s*+)?+")
OPERATIONS: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


@dataclass(frozen=True, slots=True)
class Matcher:
    """A condition on one label; a label that a series lacks is empty."""

    label: str
    operator: str
    value: str
    pattern: Pattern | None = None

    def matches(self, value: str) -> bool:
        if self.pattern is not None:
            return self.pattern.matches(value) == (self.operator == "=~")
        return (value == self.value) == (self.operator == "=")


@dataclass(frozen=True, slots=True)
class Selector:
    """The series for which every matcher holds."""

    matchers: tuple[Matcher, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(one.matches(labels.get(one.label, "")) for one in self.matchers)


def parse_query(text: str) -> Selector | float:
    """A plain selector, or the number of a query without series, such as `1+1`.

    Raises: ValueError saying what is wrong, or what of the language is not answered.
    """
    if len(text) > LONGEST_QUERY:
        raise ValueError(f"has more than {LONGEST_QUERY} characters")
    found = SUM.fullmatch(text)
    if found is None:
        return parse_selector(text)
    left, sign, right = found.groups()
    if sign is None:
        return float(left)
    if sign == "/" and float(right) == 0:
        raise ValueError("divides by zero")
    return OPERATIONS[sign](float(left), float(right))


def parse_selectors(texts: Iterable[str]) -> list[Selector]:
    """The selectors of one request, which share the limits of matchers and of states.

    Raises: ValueError saying what is wrong, or what of the language is not answered.
    """
    states = States()
    found: list[Selector] = []
    count = 0
    for text in texts:
        found.append(parse_selector(text, states))
        count += len(found[-1].matchers)
        if count > MOST_MATCHERS:
            raise ValueError(f"has more than {MOST_MATCHERS} matchers, of all selectors together")
    return found


def parse_selector(text: str, states: States | None = None) -> Selector:
    """The selector that the whole text is; `states` are those of its request.

    At least one matcher must refuse the empty text, or it would mean everything there is.
    Raises: ValueError saying what is wrong, or what of the language is not answered.
    """
    if len(text) > LONGEST_QUERY:
        raise ValueError(f"has more than {LONGEST_QUERY} characters")
    place = skip(text, 0)
    name = NAME.match(text, place)
    matchers = []
    if name is not None:
        matchers.append(Matcher(NAME_LABEL, "=", name.group()))
        place = skip(text, name.end())
    has_braces = text[place : place + 1] == "{"
    if has_braces:
        more, place = parse_matchers(text, place + 1, states or States())
        matchers += more
        place = skip(text, place)
    if place < len(text) or not (name or has_braces):
        raise refuse_rest(text, place)
    if name is not None and sum(one.label == NAME_LABEL for one in matchers) > 1:
        raise ValueError("names the metric twice")
    if all(one.matches("") for one in matchers):
        raise ValueError("must have at least one matcher that does not match the empty text")
    return Selector(tuple(matchers))


def parse_matchers(text: str, place: int, states: States) -> tuple[list[Matcher], int]:
    """What stands in braces, and where it goes on after them."""
    matchers: list[Matcher] = []
    while True:
        place = skip(text, place)
        if text[place : place + 1] == "}":
            return matchers, place + 1
        if len(matchers) >= MOST_MATCHERS:
            raise ValueError(f"has more than {MOST_MATCHERS} matchers")
        matcher, place = parse_matcher(text, place, states)
        matchers.append(matcher)
        place = skip(text, place)
        if text[place : place + 1] == ",":
            place += 1
        elif text[place : place + 1] != "}":
            raise ValueError(f"lacks a ',' or '}}' at character {place + 1}")


def parse_matcher(text: str, place: int, states: States) -> tuple[Matcher, int]:
    label = expect(LABEL, text, place, "a label")
    sign = expect(OPERATOR, text, skip(text, label.end()), "one of = != =~ !~")
    quoted = expect(STRING, text, skip(text, sign.end()), "a text in quotes")
    value = unquote(quoted.group())
    pattern = None
    if sign.group() in {"=~", "!~"}:
        try:
            pattern = Pattern(value, states)
        except ValueError as error:
            raise ValueError(f"the pattern of {label.group()} {error}") from None
    return Matcher(label.group(), sign.group(), value, pattern), quoted.end()


def expect(pattern: "re.Pattern[str]", text: str, place: int, what: str) -> "re.Match[str]":
    found = pattern.match(text, place)
    if found is None:
        raise ValueError(f"lacks {what} at character {place + 1}")
    return found


def unquote(quoted: str) -> str:
    inner = quoted[1:-1]
    return inner if quoted.startswith("`") else ESCAPE.sub(replace_escape, inner)


def replace_escape(found: "re.Match[str]") -> str:
    escape = found[1]
    if escape in ESCAPES:
        return ESCAPES[escape]
    if len(escape) > 1:
        return chr(int(escape[1:], 16))
    raise ValueError(f"has an escape that is not known: \\{escape}")


def skip(text: str, place: int) -> int:
    """The next place that is no white space."""
    found = SPACE.match(text, place)
    return found.end() if found else place


def refuse_rest(text: str, place: int) -> ValueError:
    if place >= len(text):
        return ValueError("is empty; it must be a selector such as net_rtt_median_seconds")
    return ValueError(
        f"has {text[place : place + 20]!r} at character {place + 1}: only plain selectors such as "
        'net_rtt_median_seconds{client="probe-1"} are answered; functions, operators, ranges, '
        "offsets and aggregations are not"
    )
