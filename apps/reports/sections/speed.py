from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from apps.reports.sections.base import Draft
from apps.reports.sections.quality import draw_measures


class Speed:
    title = _("Throughput")

    def build(self, draft: Draft) -> Mapping[str, Any] | None:
        figures = draw_measures(draft, ("throughput",))
        return {"figures": figures} if figures else None
