from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TestsConfig(AppConfig):
    name = "apps.tests"
    label = "tests"
    verbose_name = _("Tests")

    def ready(self) -> None:
        from apps.clients.naming import register_naming
        from apps.clients.published import ClientChanged, MaintenanceChanged, PresenceChanged
        from apps.core.bus import subscribe
        from apps.tests import tasks
        from apps.tests.selectors import list_tests_naming

        subscribe(PresenceChanged, tasks.queue_choice)
        subscribe(ClientChanged, tasks.queue_choice)
        subscribe(MaintenanceChanged, tasks.queue_plan)
        register_naming(list_tests_naming)
