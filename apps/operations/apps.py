from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OperationsConfig(AppConfig):
    name = "apps.operations"
    verbose_name = _("operations")

    def ready(self) -> None:
        from apps.operations.pulse import connect_receivers

        connect_receivers()
