from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ClientsConfig(AppConfig):
    name = "apps.clients"
    label = "clients"
    verbose_name = _("Clients")

    def ready(self) -> None:
        from apps.clients.jobs import JOBS
        from apps.jobs.registry import register_job

        for name, kind in JOBS.items():
            register_job(name, kind)
