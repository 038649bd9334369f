from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MlConfig(AppConfig):
    name = "apps.ml"
    label = "ml"
    verbose_name = _("Learning")

    def ready(self) -> None:
        from apps.core.bus import subscribe
        from apps.jobs.registry import register_job
        from apps.ml.jobs import JOBS
        from apps.ml.tasks.joint import queue_judging
        from apps.tests.published import RunFinished

        for name, kind in JOBS.items():
            register_job(name, kind)
        subscribe(RunFinished, queue_judging)
