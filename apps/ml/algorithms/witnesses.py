"""Labels that do not come from a test's own results: what others saw, and what people said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from apps.ml.algorithms.forward_labels import (
    AHEAD_SECONDS,
    GAP_SECONDS,
    LEAST_AHEAD,
    look_ahead,
)

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
# From when until when, in seconds since 1970; a moment is a span without length.
Span = tuple[float, float]

# One of a few that failed may be its own fault; most of them point to what they share.
MOST: Final = 0.5


def make_empty() -> "Seen":
    return Seen(np.empty(0), np.empty(0))


@dataclass(frozen=True, slots=True)
class Seen:
    """What somebody else met: moments, oldest first, and for each 1 for a failure, else 0."""

    at: Floats
    failed: Floats


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Whoever knows what came after a test's results on one client, without those results.

    `target` has other tests' and other clients' results of the same target, `client` whether runs
    of the same client took place at all. Spans were confirmed, or refused, as problems by people.
    """

    target: Seen = field(default_factory=make_empty)
    client: Seen = field(default_factory=make_empty)
    confirmed: Sequence[Span] = ()
    refused: Sequence[Span] = ()


@dataclass(frozen=True, slots=True)
class Labels:
    """Of each result 1 for trouble in the hour ahead, 0 for none, NaN where nobody knows.

    `changed` counts the labels that each sort of witness has given or turned.
    """

    missed: Floats
    changed: Mapping[str, int]


def hear_witnesses(at: Floats, failed: Floats, witnesses: Witnesses, *, until: float) -> Labels:
    """The labels of results of one test on one client, oldest first, by all who know.

    All look at the same span: from five minutes to an hour after each result; what was not over at
    `until` only the test's own later results may label. Failures that people called no problem are
    none. Most of at least two failures of others at the target, or of the client's runs, are
    trouble, and so is a problem that people confirmed.
    """
    own = look_ahead(at, failed).missed
    labels = look_ahead(at, np.where(is_within(at, witnesses.refused), 0.0, failed)).missed
    changed = {"refused": int(np.count_nonzero(labels < own))}
    is_over = at + AHEAD_SECONDS <= until
    marks = {
        "target": find_failing(at, witnesses.target),
        "client": find_failing(at, witnesses.client),
        "confirmed": find_touched(at, witnesses.confirmed),
    }
    for name, is_said in marks.items():
        is_new = is_said & is_over & (labels != 1)
        changed[name] = int(np.count_nonzero(is_new))
        labels[is_new] = 1.0
    return Labels(labels, changed)


def is_within(at: Floats, spans: Sequence[Span]) -> Flags:
    """Which moments lie within one of the spans, its ends included."""
    within = np.zeros(at.size, dtype=bool)
    for start, end in spans:
        within |= (at >= start) & (at <= end)
    return within


def find_failing(at: Floats, seen: Seen) -> Flags:
    """After which moments most of at least two of these failed, within the hour ahead."""
    total = np.concatenate([[0.0], np.cumsum(seen.failed)])
    begin = np.searchsorted(seen.at, at + GAP_SECONDS, side="right")
    end = np.searchsorted(seen.at, at + AHEAD_SECONDS, side="right")
    count = end - begin
    failing: Flags = (count >= LEAST_AHEAD) & (total[end] - total[begin] > MOST * count)
    return failing


def find_touched(at: Floats, spans: Sequence[Span]) -> Flags:
    """After which moments one of the spans touches the hour ahead."""
    touched = np.zeros(at.size, dtype=bool)
    for start, end in spans:
        touched |= (at + GAP_SECONDS < end) & (at + AHEAD_SECONDS >= start)
    return touched
