"""Lists whose whole state stands in the URL: filter, order, page."""

from collections.abc import Mapping
from typing import TypeVar

from django.core.paginator import Page, Paginator
from django.db.models import F, Model, QuerySet

ROWS_PER_PAGE = 50

Row = TypeVar("Row", bound=Model)


def order_rows(
    rows: QuerySet[Row], wanted: str, columns: Mapping[str, str], *, default: str
) -> tuple[QuerySet[Row], str]:
    """The rows in the wanted order (`name`, or `-name` for the other way round), and that order.

    `columns` maps what the URL may say to model fields; anything else means `default`.
    """
    order = wanted if wanted.removeprefix("-") in columns else default
    column = F(columns[order.removeprefix("-")])
    # Rows without a value come last either way: they have nothing to compare.
    first = column.desc(nulls_last=True) if order.startswith("-") else column.asc(nulls_last=True)
    return rows.order_by(first, "pk"), order


def take_page(
    rows: QuerySet[Row], number: str | None, *, size: int = ROWS_PER_PAGE
) -> tuple[Page[Row], list[Row]]:
    """That page, and its rows; the first or last one for a number beyond them."""
    page = Paginator(rows, size).get_page(number)
    return page, list(page)
