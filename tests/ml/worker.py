"""The server's Celery application with a learner, and a kill at any step of its training.

`celery --app tests.ml.worker worker` is the real worker besides. A file `die_at` in the var folder
names the step at which the process kills itself, once.
"""

import os
import signal
from contextlib import suppress

import django
from django.conf import settings

from streamswarm.celery import application

django.setup()

from apps.ml import learners  # noqa: E402 - Django comes first
from apps.ml.algorithms.scopes import Scope  # noqa: E402 - as above
from apps.ml.errors import NoModel  # noqa: E402 - as above
from apps.ml.selectors.champions import take_champion  # noqa: E402 - as above
from apps.ml.services import training  # noqa: E402 - as above
from apps.ml.services.trainings import start_training  # noqa: E402 - as above
from apps.ml.writers import model_files  # noqa: E402 - as above
from tests.factories.learning import KIND, SmallLearner, read_model  # noqa: E402 - as above

__all__ = ["application", "ask", "who_answers"]


def die(point):
    mark = settings.VAR_DIR / "die_at"
    with suppress(FileNotFoundError):
        if mark.read_text() == point:
            mark.unlink()
            os.kill(os.getpid(), signal.SIGKILL)


def dying_before(work, point):
    def die_or_work(*arguments):
        die(point)
        return work(*arguments)

    return die_or_work


class DyingPath(type(settings.VAR_DIR)):
    """A path whose renaming is never come to when the file is to stay under its other name."""

    def replace(self, target):
        die("file_written")
        return super().replace(target)


def locate_file(version_id):
    return DyingPath(settings.ML_MODELS_DIR) / f"{version_id}{model_files.SUFFIX}"


learners.LEARNERS[KIND] = SmallLearner(before_fit=lambda _report: die("fitting"))
model_files.locate_file = locate_file
training.save_version = dying_before(training.save_version, "file_named")
training.close_training = dying_before(training.close_training, "rows_written")


def ask():
    return start_training(kind=KIND, scope=Scope()).id


def who_answers():
    """The version of the model that answers, or that there is none."""
    try:
        return take_champion(KIND, Scope(), build=read_model).version.version
    except NoModel:
        return "no model"
