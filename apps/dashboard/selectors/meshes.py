"""The pairs of a test as a grid: who measures in the rows, to whom in the columns."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.accounts.policy import AnyUser
from apps.clients.models import Client
from apps.dashboard.selectors.clients import name_standing
from apps.metrics.catalogue import parse_key
from apps.tests.kinds import KINDS
from apps.tests.models import Assignment, Test
from apps.tests.selectors import list_assignments

CLIENTS_SHOWN = 50
LEAST_RANKED = 2
LEVELS: tuple[tuple[str, str, str | Promise], ...] = (
    ("best", "++", _("best fifth")),
    ("good", "+", _("second fifth")),
    ("middle", "o", _("middle fifth")),
    ("poor", "-", _("fourth fifth")),
    ("worst", "--", _("worst fifth")),
)
ALIKE = ("alike", "=", _("all alike"))
ALIKE_SHARE = 0.2
# By the metric's unit: a share of values says nothing of shares.
ALIKE_STEPS = {"s": 0.001, "1": 0.005}
ALIKE_WORDS = {
    "s": _("within 20 % or 1 ms of each other: one shade"),
    "1": _("within half a percent of each other: one shade"),
}
OTHERS_ALIKE = _("within 20 % of each other: one shade")


@dataclass(frozen=True, slots=True)
class Level:
    """Where a figure lies among all of the grid: colour, mark and word say the same.

    Figures that hardly differ are at the same level: no colour makes much of little.
    """

    name: str
    mark: str
    word: str | Promise


@dataclass(frozen=True, slots=True)
class Cell:
    """One pair; without an assignment nobody measures there."""

    assignment: Assignment | None = None
    is_self: bool = False
    value: float | None = None
    state: str = ""
    level: Level | None = None


@dataclass(frozen=True, slots=True)
class Row:
    client: Client
    cells: tuple[Cell, ...]

    @property
    def pairs(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.assignment is not None]


@dataclass(frozen=True, slots=True)
class Grid:
    """The newest figures of a test's pairs; `hidden_count` clients have no place in it.

    `alike_words` say which figures are at one level.
    """

    columns: tuple[Client, ...]
    rows: tuple[Row, ...]
    hidden_count: int
    levels: tuple[Level, ...]
    alike_words: str | Promise


def list_metric_keys(test: Test) -> list[str]:
    """The metrics that a grid can be coloured by, the most telling first."""
    kind = KINDS[test.kind]
    return list(dict.fromkeys((*kind.headline, *kind.chart)))


def build_grid(user: AnyUser, test: Test, key: str) -> Grid:
    """The pairs that `user` may see, by the newest value of that metric; one query."""
    rows = list_assignments(user).filter(test=test, removed_at=None, peer__isnull=False)
    found = {(row.client_id, row.peer_id): row for row in rows.order_by("client__name")}
    sources = unique(row.client for row in found.values())
    targets = unique(row.peer for row in found.values() if row.peer is not None)
    levels = rank_values(
        key, {pair: row.last_values[key] for pair, row in found.items() if key in row.last_values}
    )
    columns = targets[:CLIENTS_SHOWN]
    grid_rows = tuple(
        Row(
            source,
            tuple(build_cell(source, target, found, levels, key) for target in columns),
        )
        for source in sources[:CLIENTS_SHOWN]
    )
    everybody = {one.id for one in (*sources, *targets)}
    shown = {one.id for one in (*columns, *sources[:CLIENTS_SHOWN])}
    used = {level.name for level in levels.values()}
    legend = tuple(Level(*parts) for parts in (*LEVELS, ALIKE) if parts[0] in used)
    alike_words = ALIKE_WORDS.get(read_unit(key), OTHERS_ALIKE)
    return Grid(tuple(columns), grid_rows, len(everybody - shown), legend, alike_words)


def unique(clients: Iterable[Client]) -> Sequence[Client]:
    by_id = {client.id: client for client in clients}
    return sorted(by_id.values(), key=lambda client: client.name)


def build_cell(
    source: Client,
    target: Client,
    found: Mapping[tuple[UUID, UUID | None], Assignment],
    levels: Mapping[tuple[UUID, UUID | None], Level],
    key: str,
) -> Cell:
    pair = (source.id, target.id)
    row = found.get(pair)
    if row is None:
        return Cell(is_self=source.id == target.id)
    return Cell(
        assignment=row,
        value=row.last_values.get(key),
        state=name_standing(row),
        level=levels.get(pair),
    )


def rank_values(
    key: str, values: Mapping[tuple[UUID, UUID | None], float]
) -> dict[tuple[UUID, UUID | None], Level]:
    """The fifth in which each value lies, the best first; none where no value is better.

    Values that are alike have one place; where all are, their level says only that.
    """
    parsed = parse_key(key)
    better = parsed.metric.better if parsed else "neither"
    groups = group_alike(sorted(set(values.values())), read_unit(key))
    if better == "neither" or len(values) < LEAST_RANKED:
        return {}
    if better == "higher":
        groups.reverse()
    last = len(groups) - 1
    places = {
        value: Level(*(LEVELS[round(place * (len(LEVELS) - 1) / last)] if last else ALIKE))
        for place, group in enumerate(groups)
        for value in group
    }
    return {pair: places[value] for pair, value in values.items()}


def group_alike(rising: Sequence[float], unit: str) -> list[list[float]]:
    """Neighbours that differ from the first of their group by less than matters."""
    groups: list[list[float]] = []
    for value in rising:
        if groups and is_alike(groups[-1][0], value, unit):
            groups[-1].append(value)
        else:
            groups.append([value])
    return groups


def is_alike(low: float, high: float, unit: str) -> bool:
    share = 0.0 if unit == "1" else ALIKE_SHARE * max(abs(low), abs(high))
    return high - low <= max(share, ALIKE_STEPS.get(unit, 0.0))


def read_unit(key: str) -> str:
    parsed = parse_key(key)
    return parsed.metric.unit if parsed else ""
