"""Fitted trees of scikit-learn as the flat arrays that are stored and judged by.

Reads the public `tree_` of forests and gradient boosting, and the node tables of histogram
gradient boosting; needs no library by itself. `streamswarm_detect.trees` is the reader.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamswarm_detect.trees import BASE, LEFT, PREFIX, ROOTS

Floats = NDArray[np.float64]
LEAF: Final = -1
EULER_GAMMA: Final = 0.5772156649015329


@dataclass(frozen=True, slots=True)
class Table:
    """One tree as a library knows it: children by index, `LEAF` for none.

    `value` has a figure an output at the leaves; `weight` is how much training data passed a node.
    """

    feature: NDArray[np.int64]
    threshold: Floats
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    missing_right: NDArray[np.bool_]
    value: Floats
    weight: Floats


def flatten_forest(model: Any) -> dict[str, NDArray[Any]]:
    """A fitted RandomForest, ExtraTrees: rule "mean", an output a class or a target."""
    tables = [read_tree(one.tree_, read_values(one.tree_)) for one in model.estimators_]
    outputs = tables[0].value.shape[1]
    return join(tables, base=np.zeros(outputs), unit=1.0, is_single=True)


def flatten_boosting(model: Any) -> dict[str, NDArray[Any]]:
    """A fitted GradientBoostingRegressor: rule "sum"."""
    trees = [one.tree_ for one in model.estimators_[:, 0]]
    scaled = [model.learning_rate * read_values(tree) for tree in trees]
    tables = [read_tree(tree, value) for tree, value in zip(trees, scaled, strict=True)]
    base = np.asarray(model.init_.constant_, dtype=np.float64).reshape(1)
    return join(tables, base=base, unit=1.0, is_single=True)


def flatten_histogram_boosting(model: Any) -> dict[str, NDArray[Any]]:
    """A fitted HistGradientBoostingRegressor without categories: rule "sum".

    Raises: ValueError for a model with categories.
    """
    tables = [read_predictor(one.nodes) for (one,) in model._predictors]  # noqa: SLF001 - no public way
    base = np.asarray(model._baseline_prediction, dtype=np.float64).reshape(1)  # noqa: SLF001 - as above
    return join(tables, base=base, unit=1.0, is_single=False)


def flatten_isolation(model: Any) -> dict[str, NDArray[Any]]:
    """A fitted IsolationForest on all features: rule "isolation", the negative of score_samples.

    Raises: ValueError for a model whose trees see some of the features only.
    """
    if model.max_features != 1.0:
        raise ValueError("every tree must see all features")
    tables = []
    for one in model.estimators_:
        tree = one.tree_
        ways = count_steps(tree.children_left, tree.children_right)
        depth = ways + average_path_length(tree.n_node_samples) - 1.0
        tables.append(read_tree(tree, depth[:, np.newaxis]))
    unit = float(average_path_length(np.array([model._max_samples]))[0])  # noqa: SLF001 - no public way
    return join(tables, base=np.zeros(1), unit=unit, is_single=True)


def read_values(tree: Any) -> Floats:
    return np.asarray(tree.value[:, 0, :], dtype=np.float64)


def read_tree(tree: Any, value: Floats) -> Table:
    goes_left = tree.__getstate__()["nodes"]["missing_go_to_left"].astype(bool)
    return Table(
        feature=tree.feature.astype(np.int64),
        threshold=tree.threshold.astype(np.float64),
        left=tree.children_left.astype(np.int64),
        right=tree.children_right.astype(np.int64),
        missing_right=~goes_left,
        value=value,
        weight=tree.weighted_n_node_samples.astype(np.float64),
    )


def read_predictor(nodes: NDArray[Any]) -> Table:
    if nodes["is_categorical"].any():
        raise ValueError("trees that ask for categories cannot be flattened")
    is_leaf = nodes["is_leaf"].astype(bool)
    return Table(
        feature=nodes["feature_idx"].astype(np.int64),
        threshold=nodes["num_threshold"].astype(np.float64),
        left=np.where(is_leaf, LEAF, nodes["left"].astype(np.int64)),
        right=np.where(is_leaf, LEAF, nodes["right"].astype(np.int64)),
        missing_right=~nodes["missing_go_to_left"].astype(bool),
        value=nodes["value"].astype(np.float64)[:, np.newaxis],
        weight=nodes["count"].astype(np.float64),
    )


def count_steps(left: NDArray[Any], right: NDArray[Any]) -> Floats:
    """How many nodes lie on the way to each node, itself included."""
    steps = np.ones(left.size)
    for nodes in list_levels(left, right):
        inner = nodes[left[nodes] != LEAF]
        steps[left[inner]] = steps[right[inner]] = steps[inner] + 1
    return steps


def average_path_length(counts: NDArray[Any]) -> Floats:
    """The mean depth of unsuccessful searches in a binary tree of so many rows.

    Source: Liu, Ting, Zhou: Isolation Forest (2008), equation 1.
    """
    many = np.maximum(counts.astype(np.float64), 3.0)
    length = 2.0 * (np.log(many - 1.0) + EULER_GAMMA) - 2.0 * (many - 1.0) / many
    return np.where(counts <= 1, 0.0, np.where(counts == 2, 1.0, length))  # noqa: PLR2004 - the equation's cases


def list_levels(left: NDArray[Any], right: NDArray[Any]) -> Iterator[NDArray[np.int64]]:
    """The nodes of a tree level by level, from the root on."""
    nodes = np.zeros(1, np.int64)
    while nodes.size:
        yield nodes
        inner = nodes[left[nodes] != LEAF]
        nodes = np.column_stack([left[inner], right[inner]]).ravel().astype(np.int64)


def join(
    tables: Sequence[Table], *, base: Floats, unit: float, is_single: bool
) -> dict[str, NDArray[Any]]:
    """The arrays of all trees, named as `streamswarm_detect.trees.read_forest` reads them."""
    parts: dict[str, list[NDArray[Any]]] = {}
    roots, count = [], 0
    for table in tables:
        for name, part in order(table, count).items():
            parts.setdefault(name, []).append(part)
        roots.append(count)
        count += table.left.size
    joined: Mapping[str, NDArray[Any]] = {
        name: np.concatenate(all_) for name, all_ in parts.items()
    }
    threshold = joined["threshold"]
    return {
        f"{PREFIX}feature": joined["feature"].astype(np.int32),
        f"{PREFIX}threshold": round_down(threshold) if is_single else threshold,
        f"{PREFIX}left": joined["left"].astype(np.int32),
        f"{PREFIX}missing_right": joined["missing_right"].astype(np.uint8),
        f"{PREFIX}value": joined["value"],
        f"{PREFIX}roots": np.array(roots, np.int32),
        f"{PREFIX}base": base,
        f"{PREFIX}unit": np.array([unit]),
    }


def concatenate(parts: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """The trees of several models of one library behind each other, with a base of 0.

    Their own bases are the caller's to keep.
    """
    sizes = [part[LEFT].size for part in parts]
    begins = np.cumsum([0, *sizes[:-1]])
    moved = [
        {**part, **{name: part[name] + begin for name in (LEFT, ROOTS)}}
        for part, begin in zip(parts, begins.astype(np.int32), strict=True)
    ]
    names = [name for name in parts[0] if name not in {BASE, f"{PREFIX}unit"}]
    joined = {name: np.concatenate([part[name] for part in moved]) for name in names}
    return {**joined, BASE: np.zeros(1), f"{PREFIX}unit": np.ones(1)}


def order(table: Table, begin: int) -> dict[str, NDArray[Any]]:
    """The nodes level by level, so that siblings are neighbours and parents come first."""
    nodes = np.concatenate(list(list_levels(table.left, table.right)))
    places = np.empty(nodes.size, np.int64)
    places[nodes] = np.arange(nodes.size)
    left = table.left[nodes]
    is_leaf = left == LEAF
    return {
        "feature": np.where(is_leaf, 0, table.feature[nodes]),
        "threshold": np.where(is_leaf, np.inf, table.threshold[nodes]),
        "left": begin + np.where(is_leaf, np.arange(nodes.size), places[left]),
        "missing_right": ~is_leaf & table.missing_right[nodes],
        "value": expect(table)[nodes],
    }


def expect(table: Table) -> Floats:
    """The values with those of inner nodes as the weighted mean of what lies below them."""
    value = table.value.copy()
    for nodes in reversed(list(list_levels(table.left, table.right))):
        inner = nodes[table.left[nodes] != LEAF]
        left, right = table.left[inner], table.right[inner]
        weight = table.weight[left] / (table.weight[left] + table.weight[right])
        value[inner] = value[right] + weight[:, np.newaxis] * (value[left] - value[right])
    return value


def round_down(thresholds: Floats) -> NDArray[np.float32]:
    """The largest single-precision numbers not above: the same rows lie at or below them."""
    rounded = thresholds.astype(np.float32)
    is_above = rounded.astype(np.float64) > thresholds
    rounded[is_above] = np.nextafter(rounded[is_above], np.float32(-np.inf))
    return rounded
