"""How large an export will be, without making it."""

from dataclasses import dataclass
from itertools import islice

from apps.accounts.policy import AnyUser
from apps.reports.services.exports.orders import Order
from apps.reports.services.exports.pieces import Pieces

COUNTED = 200_000
CHUNKS_TRIED = 3


@dataclass(frozen=True, slots=True)
class Estimate:
    """About how many rows and bytes; at least as many where there is more than was counted."""

    row_count: int
    size_bytes: int
    is_at_least: bool


def estimate_export(user: AnyUser, order: Order) -> Estimate:
    """What the first rows of the export say of all of it.

    Raises: Refused, Invalid for wrong filters.
    """
    selection = order.dataset.select(user, order.filters)
    units = selection.count_units(COUNTED)
    pieces = Pieces(selection, order)
    tried = list(islice(pieces.write(), 1 + CHUNKS_TRIED))
    size_bytes = sum(map(len, tried)) + len(pieces.interrupt())
    share = units / pieces.unit_count if pieces.unit_count else 0.0
    return Estimate(
        row_count=round(pieces.row_count * share),
        size_bytes=round(size_bytes * share),
        is_at_least=units >= COUNTED,
    )
