"""Decision trees as flat arrays, judged level by level without the library that trained them.

All trees of a model stand behind each other. The right child of a node stands behind the left one,
so `left[node] + (x > threshold[node])` is a step; a leaf leads to itself. Rows take their steps
together, and those that have arrived are set aside.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rule = Literal["mean", "sum", "isolation"]

MOST_NODES: Final = 4_000_000
MOST_TREES: Final = 5_000
MOST_OUTPUTS: Final = 64
MOST_LEVELS: Final = 128
# Rows times trees that are walked at once: they fit into the processor's cache.
BLOCK: Final = 32_768
MOST_ROWS_AT_ONCE: Final = 8_192
FEW_ROWS: Final = 32
# From this level on it pays to set aside, at every second one, what has arrived.
FIRST_SIFTED_LEVEL: Final = 8

DTYPES: Final = {
    "feature": ("<i4",),
    "threshold": ("<f4", "<f8"),
    "left": ("<i4",),
    "missing_right": ("|u1",),
    "value": ("<f8",),
    "roots": ("<i4",),
    "base": ("<f8",),
    "unit": ("<f8",),
}
PREFIX: Final = "trees_"
ROOTS: Final = f"{PREFIX}roots"
LEFT: Final = f"{PREFIX}left"
BASE: Final = f"{PREFIX}base"


class BadTreesError(ValueError):
    """The arrays are no trees; the message says why."""


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees and how their figures become one: read by `read_forest`, which proves them sound.

    `value` has a row a node and a column an output; inner nodes hold what is expected there, which
    explains the way. Rule "mean" averages the leaves, "sum" adds them to `base`, "isolation" makes
    them a score from 0 to 1 (1 is most unusual) with `unit` as the depth that scores one half.
    """

    rule: Rule
    feature_count: int
    feature: NDArray[np.intp]
    threshold: NDArray[Any]
    left: NDArray[np.intp]
    missing_right: NDArray[np.uint8]
    value: Floats
    roots: NDArray[np.intp]
    base: Floats
    unit: float
    levels: int

    @property
    def output_count(self) -> int:
        return int(self.value.shape[1])


def read_forest(arrays: Mapping[str, NDArray[Any]], *, rule: str, feature_count: int) -> Forest:
    """The forest in the arrays whose names begin with `trees_`.

    Raises: BadTreesError for anything on which a walk could leave the arrays, or not end.
    """
    found = {name: take_array(arrays, name) for name in DTYPES}
    if rule not in get_args(Rule):
        raise BadTreesError(f"the rule is none of {', '.join(get_args(Rule))}")
    check_shapes(found)
    unit = float(found["unit"][0])
    if not (unit > 0 and np.isfinite(unit)):
        raise BadTreesError("the unit must be a positive number")
    feature, left, roots = (found[name].astype(np.intp) for name in ("feature", "left", "roots"))
    check_roots(roots, left.size)
    is_leaf = left == np.arange(left.size)
    check_leaves(found, is_leaf)
    check_children(left, roots, is_leaf)
    if feature.min() < 0 or feature.max() >= feature_count:
        raise BadTreesError(f"a node asks for a feature outside of the {feature_count} there are")
    return Forest(
        rule=cast("Rule", rule),
        feature_count=feature_count,
        feature=feature,
        threshold=found["threshold"],
        left=left,
        missing_right=found["missing_right"],
        value=found["value"],
        roots=roots,
        base=found["base"],
        unit=unit,
        levels=count_levels(left, roots),
    )


def take_array(arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[Any]:
    array = arrays.get(f"{PREFIX}{name}")
    if array is None or array.dtype.str not in DTYPES[name]:
        kind = "missing" if array is None else f"of type {array.dtype}"
        raise BadTreesError(f"the array {PREFIX}{name} is {kind}")
    return array


def check_shapes(found: Mapping[str, NDArray[Any]]) -> None:
    value = found["value"]
    nodes = found["feature"].shape
    outputs = value.shape[1:]
    if len(nodes) != 1 or not 0 < nodes[0] <= MOST_NODES:
        raise BadTreesError(f"there must be 1 to {MOST_NODES} nodes in one row")
    for name in ("threshold", "left", "missing_right"):
        if found[name].shape != nodes:
            raise BadTreesError(f"{PREFIX}{name} must have a figure a node")
    if value.ndim != 2 or value.shape[0] != nodes[0] or not 0 < outputs[0] <= MOST_OUTPUTS:  # noqa: PLR2004 - a table
        raise BadTreesError(f"{PREFIX}value must have 1 to {MOST_OUTPUTS} figures a node")
    if found["base"].shape != outputs or found["unit"].shape != (1,):
        raise BadTreesError(f"{PREFIX}base must have a figure an output, {PREFIX}unit one")
    if not (np.isfinite(value).all() and np.isfinite(found["base"]).all()):
        raise BadTreesError("every value must be a finite number")


def check_roots(roots: NDArray[np.intp], node_count: int) -> None:
    if roots.ndim != 1 or not 0 < roots.size <= MOST_TREES:
        raise BadTreesError(f"there must be 1 to {MOST_TREES} trees")
    if roots[0] != 0 or np.any(np.diff(roots) <= 0) or roots[-1] >= node_count:
        raise BadTreesError("the roots must stand in order, the first at the beginning")


def check_leaves(found: Mapping[str, NDArray[Any]], is_leaf: NDArray[np.bool_]) -> None:
    threshold, missing_right = found["threshold"], found["missing_right"]
    if np.isnan(threshold).any() or missing_right.max() > 1:
        raise BadTreesError("a threshold is no number, or a side of missing values is none")
    if np.any(threshold[is_leaf] != np.inf) or np.any(missing_right[is_leaf]):
        raise BadTreesError("nothing leads out of a leaf")


def check_children(
    left: NDArray[np.intp], roots: NDArray[np.intp], is_leaf: NDArray[np.bool_]
) -> None:
    """Every node but the roots has one parent, which stands before it in the same tree."""
    parents = np.flatnonzero(~is_leaf)
    children = left[parents]
    ends = np.append(roots[1:], left.size)
    end_of_tree = ends[np.searchsorted(roots, parents, side="right") - 1]
    if np.any(children <= parents) or np.any(children + 1 >= end_of_tree):
        raise BadTreesError("a child stands before its parent, or outside of the tree")
    parent_counts = np.zeros(left.size, np.int64)
    np.add.at(parent_counts, children, 1)
    np.add.at(parent_counts, children + 1, 1)
    parent_counts[roots] += 1
    if np.any(parent_counts != 1):
        raise BadTreesError("a node has no parent, or more than one")


def count_levels(left: NDArray[np.intp], roots: NDArray[np.intp]) -> int:
    """The steps that lead from any root to any leaf at most.

    Raises: BadTreesError for trees so deep that a walk would take too long.
    """
    nodes = roots
    for level in range(MOST_LEVELS + 1):
        inner = nodes[left[nodes] != nodes]
        if not inner.size:
            return level
        nodes = np.concatenate([left[inner], left[inner] + 1])
    raise BadTreesError(f"a tree has more than {MOST_LEVELS} levels")


def predict(forest: Forest, values: Floats) -> Floats:
    """What the forest says of each row: of shape (rows, outputs).

    `values` has a column a feature, NaN where nothing was measured; NaN goes the way that training
    chose for it. The figures are those of the library that trained the trees, to the last bit.
    Raises: ValueError for another number of features.
    """
    table = convert(forest, values)
    totals = np.empty((table.shape[0], forest.output_count))
    for begin in range(0, table.shape[0], MOST_ROWS_AT_ONCE):
        part = slice(begin, begin + MOST_ROWS_AT_ONCE)
        totals[part] = add_trees(forest, table[part])
    return combine(forest, totals)


def convert(forest: Forest, values: Floats) -> NDArray[Any]:
    """The rows in the precision of the thresholds."""
    if values.ndim != 2 or values.shape[1] != forest.feature_count:  # noqa: PLR2004 - a table
        raise ValueError(f"rows must have {forest.feature_count} features")
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, dtype=forest.threshold.dtype)


def add_trees(forest: Forest, table: NDArray[Any]) -> Floats:
    """The base and the leaves of all trees, added one after the other as in training."""
    rows = table.shape[0]
    totals = np.tile(forest.base, (rows, 1))
    trees_at_once = max(1, BLOCK // max(rows, 1))
    for begin in range(0, forest.roots.size, trees_at_once):
        roots = forest.roots[begin : begin + trees_at_once]
        leaves = walk(forest, table, roots).reshape(roots.size, rows)
        totals = add_leaves(forest, totals, leaves)
    return totals


def add_leaves(forest: Forest, totals: Floats, leaves: NDArray[np.intp]) -> Floats:
    """Add a tree after the other: of few rows by one call, of many without a copy of all."""
    if leaves.shape[1] < FEW_ROWS:
        parts = np.concatenate([totals[np.newaxis], forest.value[leaves]])
        return cast("Floats", np.add.accumulate(parts, axis=0)[-1])
    for leaves_of_tree in leaves:
        totals += forest.value.take(leaves_of_tree, axis=0)
    return totals


def walk(forest: Forest, table: NDArray[Any], roots: NDArray[np.intp]) -> NDArray[np.intp]:
    """The leaf of every row in every tree of these roots, tree by tree in one array."""
    rows, columns = table.shape
    flat = table.ravel()
    missing = np.isnan(flat) if np.isnan(flat).any() else None
    nodes = np.repeat(roots, rows)
    starts = np.tile(np.arange(rows, dtype=np.intp) * columns, roots.size)
    leaves, places = nodes, None
    for level in range(forest.levels):
        left = forest.left.take(nodes)
        if level >= FIRST_SIFTED_LEVEL and level % 2 == 0:
            going = np.flatnonzero(left != nodes)
            leaves, places = set_aside(leaves, places, nodes, going)
            nodes, starts, left = nodes[going], starts[going], left[going]
            if not going.size:
                break
        nodes = left + turn_right(forest, flat, missing, nodes, starts)
    return nodes if places is None else put(leaves, places, nodes)


def turn_right(
    forest: Forest,
    flat: NDArray[Any],
    missing: NDArray[np.bool_] | None,
    nodes: NDArray[np.intp],
    starts: NDArray[np.intp],
) -> NDArray[np.bool_]:
    """Whether each row goes on to the right child of its node."""
    cells = forest.feature.take(nodes) + starts
    is_right: NDArray[np.bool_] = flat.take(cells) > forest.threshold.take(nodes)
    if missing is not None:
        is_right |= missing.take(cells) & forest.missing_right.take(nodes).astype(bool)
    return is_right


def set_aside(
    leaves: NDArray[np.intp],
    places: NDArray[np.intp] | None,
    nodes: NDArray[np.intp],
    going: NDArray[np.intp],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The leaves found so far, and whose place each of the rows that go on has among them."""
    if places is None:
        return nodes.copy(), going
    return put(leaves, places, nodes), places[going]


def put(
    leaves: NDArray[np.intp], places: NDArray[np.intp], nodes: NDArray[np.intp]
) -> NDArray[np.intp]:
    leaves[places] = nodes
    return leaves


def combine(forest: Forest, totals: Floats) -> Floats:
    if forest.rule == "mean":
        return totals / forest.roots.size
    if forest.rule == "isolation":
        return 2.0 ** -(totals / (forest.roots.size * forest.unit))
    return totals


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why each row got its figure: `base` plus its `contributions` over all features is the figure.

    `contributions` is of shape (rows, features, outputs), `base` of shape (outputs,). Of rule
    "isolation" the figure is the mean depth in units of the forest: less is more unusual.
    """

    base: Floats
    contributions: Floats


def explain(forest: Forest, values: Floats) -> Explanation:
    """What each feature added on the way through the trees.

    The difference in the expected figure between a node and its child is put down to the feature
    that the node asks for (Saabas 2014), so that the sum is exact up to rounding.
    Raises: ValueError for another number of features.
    """
    table = convert(forest, values)
    divisor = {"mean": forest.roots.size, "sum": 1.0, "isolation": forest.roots.size * forest.unit}
    base = forest.base + forest.value[forest.roots].sum(axis=0)
    parts = [
        attribute(forest, table[begin : begin + MOST_ROWS_AT_ONCE // 16])
        for begin in range(0, table.shape[0], MOST_ROWS_AT_ONCE // 16)
    ]
    shape = (table.shape[0], forest.feature_count, forest.output_count)
    added = np.concatenate(parts) if parts else np.zeros(shape)
    return Explanation(base / divisor[forest.rule], added / divisor[forest.rule])


def attribute(forest: Forest, table: NDArray[Any]) -> Floats:
    """The sums of the steps' differences: of shape (rows, features, outputs)."""
    rows, columns = table.shape
    flat = table.ravel()
    missing = np.isnan(flat) if np.isnan(flat).any() else None
    nodes = np.repeat(forest.roots, rows)
    starts = np.tile(np.arange(rows, dtype=np.intp) * columns, forest.roots.size)
    added = np.zeros((rows * columns, forest.output_count))
    for _level in range(forest.levels):
        going = forest.left.take(nodes) != nodes
        nodes, starts = nodes[going], starts[going]
        cells = forest.feature.take(nodes) + starts
        following = forest.left.take(nodes) + turn_right(forest, flat, missing, nodes, starts)
        gained = forest.value[following] - forest.value[nodes]
        for output in range(forest.output_count):
            added[:, output] += np.bincount(cells, gained[:, output], rows * columns)
        nodes = following
    return added.reshape(rows, columns, forest.output_count)
