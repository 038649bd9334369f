"""What beat wakes, and how often; `manage.py sync_schedules` copies it into django-celery-beat."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PeriodicWork:
    name: str
    task: str
    every_seconds: int


PERIODIC_WORK: tuple[PeriodicWork, ...] = (
    PeriodicWork("plan runs", "apps.tests.tasks.plan_runs", 5),
    PeriodicWork("choose clients", "apps.tests.tasks.choose_clients", 5),
    PeriodicWork("close overdue runs", "apps.tests.tasks.close_overdue_runs", 10),
    PeriodicWork("update presence", "apps.clients.tasks.update_presence", 2),
    PeriodicWork("remove deleted clients", "apps.clients.tasks.remove_deleted_clients", 300),
    PeriodicWork("wake job queues", "apps.jobs.tasks.wake_queues", 5),
    PeriodicWork("forget jobs", "apps.jobs.tasks.forget_jobs", 3600),
    PeriodicWork("prepare storage", "apps.metrics.tasks.prepare_storage", 3600),
    PeriodicWork("forget documents", "apps.metrics.tasks.forget_documents", 300),
    PeriodicWork("roll up", "apps.metrics.tasks.roll_up", 10),
    PeriodicWork("forget history", "apps.metrics.tasks.forget_history", 60),
    PeriodicWork("forget facts", "apps.metrics.tasks.forget_facts", 3600),
    PeriodicWork("judge series", "apps.ml.tasks.series.judge_series", 15),
    PeriodicWork("judge late series", "apps.ml.tasks.series.judge_late_series", 300),
    PeriodicWork("forget results", "apps.tests.tasks.forget_results", 600),
    PeriodicWork("settle trainings", "apps.ml.tasks.registry.settle_trainings", 30),
    PeriodicWork("train due models", "apps.ml.tasks.registry.train_due_models", 3600),
    PeriodicWork("review models", "apps.ml.tasks.registry.review_models", 3600),
    PeriodicWork("check model files", "apps.ml.tasks.registry.check_model_files", 600),
    PeriodicWork("judge results", "apps.ml.tasks.joint.judge_results", 30),
    PeriodicWork("forget models", "apps.ml.tasks.registry.forget_models", 21_600),
    PeriodicWork("score health", "apps.ml.tasks.health.refresh_health", 60),
    PeriodicWork("forget findings", "apps.ml.tasks.findings.forget_findings", 3600),
    PeriodicWork("forget health", "apps.ml.tasks.health.forget_health", 3600),
    PeriodicWork("publish audit head", "apps.accounts.tasks.publish_audit_head", 86_400),
    PeriodicWork("forget expired sign-ins", "apps.accounts.tasks.forget_expired", 21_600),
    PeriodicWork("ask for forecasts", "apps.ml.tasks.forecasting.ask_for_forecasts", 3600),
    PeriodicWork("forget exports", "apps.reports.tasks.exports.forget_exports", 600),
    PeriodicWork("make due reports", "apps.reports.tasks.reports.make_due_reports", 30),
    PeriodicWork("keep tallies", "apps.reports.tasks.reports.keep_tallies", 300),
    PeriodicWork("forget reports", "apps.reports.tasks.reports.forget_reports", 3600),
    PeriodicWork("note liveness", "apps.operations.tasks.note_liveness", 10),
)
