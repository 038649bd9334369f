from celery import shared_task

from apps.ml.services.files import check_model_files as check
from apps.ml.services.files import forget_models as forget
from apps.ml.services.reviewing import ask_for_review
from apps.ml.services.standings import train_due_models as train
from apps.ml.services.trainings import settle_trainings as settle


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def settle_trainings() -> None:
    """Finds trainings whose worker died, so that no page shows them as running for ever."""
    settle()


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def train_due_models() -> None:
    """Asks for what is due (a first model, a week, drift, much that is new, bad feedback)."""
    train()


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def review_models() -> None:
    ask_for_review()


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def check_model_files() -> None:
    check()


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def forget_models() -> None:
    forget()
