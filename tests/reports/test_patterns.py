"""Regular expressions of strangers, and the names of series that they are matched with."""

import contextlib
import re
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.metrics.catalogue import METRICS
from apps.reports.algorithms.exposed_names import name_metric, name_series
from apps.reports.algorithms.patterns import MOST_REMEMBERED, Pattern, States
from apps.reports.algorithms.plain_selectors import (
    MOST_MATCHERS,
    Selector,
    parse_query,
    parse_selector,
    parse_selectors,
)

ATOMS = st.sampled_from(["a", "b", "c", ".", "[ab]", "[^a]", "[a-b]", r"\d", r"\.", r"\w"])
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,}", "{0,2}"])).map(
            lambda pair: f"({pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=6,
)


@given(PATTERNS, st.text(alphabet="abc1._", max_size=8))
def test_a_pattern_matches_what_pythons_own_matches(pattern, text):
    assert Pattern(pattern).matches(text) == bool(re.fullmatch(pattern, text, re.ASCII))


def test_a_pattern_that_others_choke_on_is_matched_at_once():
    assert not Pattern("(a*)*b").matches("a" * 50_000)
    assert Pattern("(a|aa)+").matches("a" * 50_000)
    assert Pattern("((((){1000}){1000}){1000}){1000}a{0}").matches("")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("", ""),
        ("^vienna-.+$", "vienna-1"),
        ("probe-(1|2)", "probe-2"),
        ("]", "]"),
        ("[]a]+", "a]a"),
        ("a-?b|", "ab"),
        ("x*?", "xx"),
        (r"a\.b\n", "a.b\n"),
        (r"[\d_-]+", "1_-"),
        (r"\W\D\S", "-aa"),
    ],
)
def test_these_patterns_are_taken(pattern, text):
    assert Pattern(pattern).matches(text)
    assert not Pattern(pattern).matches(f"{text}\n")


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(", "lacks a ')'"),
        (")", "')' too many"),
        ("[a", "ends too early"),
        ("a**", "repeats a repetition"),
        ("*", "stands for nothing"),
        ("a{,2}", "no repetition"),
        ("a{3,2}", "0 to 1000"),
        ("a{1001}", "0 to 1000"),
        ("((a{1000}){1000})", "repeats too much"),
        ("(?i)a", "another kind"),
        ("(?=a)", "another kind"),
        (r"(a)\1", "not taken"),
        (r"\bx", "not taken"),
        ("[[:alpha:]]", "by name"),
        ("[b-a]", "ends before it begins"),
        ("a$b", "stands for nothing"),
        ("(" * 21 + ")" * 21, "nests more"),
        ("a" * 2_001, "2000 characters"),
        ("a\\", "ends too early"),
    ],
)
def test_what_is_not_taken_says_so(pattern, problem):
    with pytest.raises(ValueError, match=re.escape(problem)):
        Pattern(pattern)


@pytest.mark.parametrize(
    ("text", "labels", "is_meant"),
    [
        ("up", {"__name__": "up"}, True),
        ("up", {"__name__": "down"}, False),
        ('up{client="a"}', {"__name__": "up", "client": "a"}, True),
        (' up { client = "a" , } ', {"__name__": "up", "client": "a"}, True),
        ('up{client!="a"}', {"__name__": "up"}, True),
        ('{client=~"a|b",site=""}', {"client": "b"}, True),
        ('{client=~"a|b",site=""}', {"client": "b", "site": "x"}, False),
        ("up{client!~'a.*'}", {"__name__": "up", "client": "ab"}, False),
        (r'{client="a\"b\\\n\x41\u00e4"}', {"client": 'a"b\\\nAä'}, True),
        (r"{client=`a\n`}", {"client": r"a\n"}, True),
        ('{__name__="up"}', {"__name__": "up"}, True),
    ],
)
def test_a_selector_means_the_series_whose_labels_match(text, labels, is_meant):
    assert parse_selector(text).matches(labels) == is_meant


@pytest.mark.parametrize(
    ("text", "number"), [("1+1", 2.0), (" 6 / 4 ", 1.5), ("-2*3", -6.0), ("7", 7.0), ("1e2", 100.0)]
)
def test_a_query_may_be_a_sum(text, number):
    assert parse_query(text) == number


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("{}", "at least one matcher"),
        ('{a=~".*"}', "at least one matcher"),
        ('{a!="b"}', "at least one matcher"),
        ('up{__name__="down"}', "twice"),
        ("rate(up[5m])", "functions"),
        ("up[5m]", "ranges"),
        ("up offset 5m", "offset"),
        ("sum(up) by (client)", "aggregations"),
        ("up > 0", "operators"),
        ("up{client}", "lacks one of"),
        ("up{client=a}", "text in quotes"),
        ('up{client="a"', "lacks a ','"),
        ('up{client="a" site="b"}', "lacks a ','"),
        ('up{client=~"("}', "pattern of client"),
        (r'up{client="\q"}', "escape"),
        ("1/0", "divides by zero"),
        ("up" * 5_000, "8000 characters"),
        ("up{" + 'a="b",' * 51 + "}", "50 matchers"),
    ],
)
def test_a_query_that_is_not_answered_says_why(text, problem):
    with pytest.raises(ValueError, match=re.escape(problem)):
        parse_query(text)


@pytest.mark.parametrize(
    "part",
    ["1", "1.", "1+", " ", "1 ", "1e", "up{", '"', "\\", "a\\", "`'", '{a="', "{a=~`((((`,", "x,"],
)
@pytest.mark.parametrize(
    "frame", ["{0}x", "{0}+{0}x", '{{a="{0}', "{{a=`{0}`", "{{{0}}}x", "1e{0}+"]
)
def test_a_query_is_refused_in_time_that_grows_with_its_length_alone(part, frame):
    short, long = (write_query(frame, part, length) for length in (2_000, 8_000))
    # What tries its characters in pairs takes sixteen times as long, in threes sixty-four times.
    assert spend_on(long) < 10 * spend_on(short) + 0.1


def write_query(frame, part, length):
    room = (length - len(frame.format(""))) // frame.count("{0}")
    return frame.format((part * room)[:room])


def spend_on(query):
    begin = time.thread_time()
    with contextlib.suppress(ValueError):
        parse_query(query)
    return time.thread_time() - begin


def test_selectors_of_a_request_share_the_matchers():
    assert len(parse_selectors(['{a="1",b="2"}'] * (MOST_MATCHERS // 2))) == MOST_MATCHERS // 2
    with pytest.raises(ValueError, match="more than 50 matchers, of all selectors together"):
        parse_selectors(['{a="1",b="2"}'] * (MOST_MATCHERS // 2) + ["up"])


def test_selectors_of_a_request_share_the_states():
    selector = '{a=~"(.{0,999}){4}x"}'
    assert parse_selectors([selector] * 2)
    with pytest.raises(ValueError, match=r"pattern of a repeats too much: .* 20000 states"):
        parse_selectors([selector] * 3)


def test_patterns_that_share_states_match_each_on_its_own():
    states = States()
    first, second = Pattern("a+", states), Pattern("ab?", states)
    assert [first.matches(text) for text in ("aa", "ab", "aa")] == [True, False, True]
    assert [second.matches(text) for text in ("aa", "ab", "a")] == [False, True, True]


def test_ways_through_a_pattern_are_forgotten_before_they_fill_the_memory():
    states = States()
    greedy = Pattern("((.?){1000}){6}", states)
    tracemalloc.start()
    try:
        for number in range(120):
            assert greedy.matches(f"{chr(200 + number)}x")
        _kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Each of the ways holds nearly all of the 18,000 states: all of them would be 66 MB.
    assert most < 100 * MOST_REMEMBERED


@given(st.text(max_size=40))
def test_whatever_is_asked_is_parsed_or_refused_with_a_reason(text):
    try:
        found = parse_query(text)
    except ValueError as error:
        found = str(error)
    assert isinstance(found, Selector | float) or found


def test_every_metric_has_a_name_of_its_own_that_ends_in_its_unit():
    numbers = [metric for metric in METRICS.values() if metric.is_number]
    names = [name_series(one.name, one.unit, one.kind) for one in numbers]
    assert len(set(names)) == len(names)
    for metric in numbers:
        naming = name_metric(metric.name, metric.unit)
        assert re.fullmatch("[a-z_][a-z0-9_]*", naming.family)
        assert not naming.unit or naming.family.endswith(f"_{naming.unit}")
        is_counted = metric.unit == "1" or re.fullmatch(r"\{\w+\}", metric.unit)
        assert naming.unit or is_counted, metric


def test_names_follow_the_catalogue():
    assert name_series("net.rtt.median", "s", "gauge") == "net_rtt_median_seconds"
    assert name_series("system.network.io", "By", "counter") == "system_network_io_bytes_total"
    assert name_series("x.errors", "{error}", "counter") == "x_errors_total"
    assert name_series("x.rate", "{error}/s", "gauge") == "x_rate_per_second"
