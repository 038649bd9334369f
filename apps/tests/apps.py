from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TestsConfig(AppConfig):
    name = "apps.tests"
    label = "tests"
    verbose_name = _("Tests")

    def ready(self) -> None:
        from apps.clients.published import ClientChanged, MaintenanceChanged, PresenceChanged
        from apps.core.bus import subscribe
        from apps.tests import tasks

        subscribe(PresenceChanged, tasks.queue_choice)
        subscribe(ClientChanged, tasks.queue_choice)
        subscribe(MaintenanceChanged, tasks.queue_plan)
