"""Causes of diagnoses as people call them."""

from apps.ml.diagnosis.judges import JUDGES


def name_cause(cause: str) -> str:
    """The title of a class of problems; its own name when nobody knows it any more."""
    judge = JUDGES.get(cause)
    return judge.title if judge is not None else cause
