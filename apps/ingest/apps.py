from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from apps.core.bus import subscribe


class IngestConfig(AppConfig):
    name = "apps.ingest"
    label = "ingest"
    verbose_name = _("Ingest")

    def ready(self) -> None:
        from apps.clients.published import ClientChanged
        from apps.ingest import nudges
        from apps.tests.published import ScheduleChanged

        subscribe(ScheduleChanged, nudges.nudge_schedules)
        subscribe(ClientChanged, nudges.recheck_key)
