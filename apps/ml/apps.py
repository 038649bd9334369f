from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MlConfig(AppConfig):
    name = "apps.ml"
    label = "ml"
    verbose_name = _("Learning")

    def ready(self) -> None:
        from apps.jobs.registry import register_job
        from apps.ml.jobs import JOBS

        for name, kind in JOBS.items():
            register_job(name, kind)
