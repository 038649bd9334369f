"""The course of a score over time, out of the steps that its history keeps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from apps.ml.algorithms.health import combine_scores

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Course:
    """Equal buckets, oldest first: the begin of each in Unix seconds, and the scores in it.

    The mean is weighted by time; NaN where nothing was known in a bucket.
    """

    step_seconds: float
    at: Numbers
    mean: Numbers
    lowest: Numbers
    highest: Numbers


def draw_course(
    changes: Sequence[tuple[float, float | None]], *, start: float, end: float, buckets: int
) -> Course:
    """The course in [start, end) of a score that held from each change until the next.

    Changes are Unix seconds and scores in the order of time; one before `start` says what held
    then, and None that it was unknown.
    """
    edges = np.linspace(start, end, buckets + 1)
    moments = np.array([at for at, _score in changes], dtype=float)
    scores = np.array([np.nan if score is None else score for _at, score in changes], dtype=float)
    inside = moments[(moments > start) & (moments < end)]
    cuts = np.union1d(edges, inside)
    begins, lengths = cuts[:-1], np.diff(cuts)
    held = np.searchsorted(moments, begins, side="right") - 1
    values = np.where(held >= 0, scores[np.maximum(held, 0)] if len(scores) else np.nan, np.nan)
    places = np.clip(np.searchsorted(edges, begins, side="right") - 1, 0, buckets - 1)
    is_known = ~np.isnan(values)
    places, values, lengths = places[is_known], values[is_known], lengths[is_known]
    weight = np.bincount(places, lengths, buckets)
    total = np.bincount(places, lengths * values, buckets)
    lowest, highest = np.full(buckets, np.nan), np.full(buckets, np.nan)
    np.fmin.at(lowest, places, values)
    np.fmax.at(highest, places, values)
    mean = np.divide(total, weight, out=np.full(buckets, np.nan), where=weight > 0)
    return Course((end - start) / buckets, edges[:-1], mean, lowest, highest)


def combine_courses(courses: Sequence[Course]) -> Course:
    """The course of many together, put together in each bucket as scores are (`combine_scores`).

    Raises: ValueError without any course, or when their buckets differ.
    """
    if not courses or any(len(one.at) != len(courses[0].at) for one in courses):
        raise ValueError("courses of equal buckets are needed")
    table = np.array([one.mean for one in courses])
    combined = [
        combine_scores([None if np.isnan(value) else float(value) for value in column]).score
        for column in table.T
    ]
    mean = np.array([np.nan if score is None else score for score in combined], dtype=float)
    first = courses[0]
    return Course(first.step_seconds, first.at, mean, mean, mean)
