from collections.abc import Iterator

from django import template
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

from apps.dashboard.selectors.fleet import HeatRow

register = template.Library()


@register.simple_tag
def heat_cells(row: HeatRow, width: int) -> SafeString:
    """A row of a heat map; a page has a thousand fields, so no template makes them."""
    return format_html(
        '<svg class="heat-row" viewBox="0 0 {} 1" preserveAspectRatio="none" aria-hidden="true">'
        "{}</svg>",
        width,
        mark_safe("".join(make_fields(row))),  # noqa: S308 - escaped piece by piece below
    )


def make_fields(row: HeatRow) -> Iterator[str]:
    url = conditional_escape(row.url)
    for cell in row.cells:
        title, query = conditional_escape(cell.title), conditional_escape(cell.query)
        field = (
            f'<rect class="heat-{cell.level:d}" x="{cell.x:d}" width="1" height="1">'
            f"<title>{title}</title></rect>"
        )
        yield f'<a href="{url}{query}" tabindex="-1">{field}</a>' if query else field
