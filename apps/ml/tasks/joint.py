from celery import shared_task

from apps.core.wakeups import wake_worker
from apps.ml.services import joint
from apps.tests.published import RunFinished


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def judge_results() -> None:
    """Judges results as a whole, those that came in since the last look."""
    joint.judge_new_results()


def queue_judging(_event: RunFinished) -> None:
    """Have the result judged at once; the periodic look would find it as well."""
    wake_worker(judge_results.name)
