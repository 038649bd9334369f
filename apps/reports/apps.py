from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ReportsConfig(AppConfig):
    name = "apps.reports"
    label = "reports"
    verbose_name = _("Reports and exports")

    def ready(self) -> None:
        from apps.jobs.registry import register_job
        from apps.reports.jobs import JOBS

        for name, kind in JOBS.items():
            register_job(name, kind)
