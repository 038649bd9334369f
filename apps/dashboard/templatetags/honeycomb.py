from django import template
from django.utils.html import conditional_escape, format_html_join
from django.utils.safestring import SafeString

from apps.dashboard.selectors.overview import Comb
from apps.dashboard.templatetags.swarm import STATES, state_word

register = template.Library()


@register.simple_tag
def cells(comb: Comb) -> SafeString:
    """The links of one site's clients; a page has up to two thousand, so no template makes them."""
    words = {name: conditional_escape(state_word(name)) for name in STATES}
    rows = ((cell.state, cell.url, cell.name, words[cell.state]) for cell in comb.cells)
    return format_html_join("", '<a class="cell cell-{}" href="{}" title="{}: {}"></a>', rows)
