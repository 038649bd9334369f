"""What people say of findings and diagnoses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.accounts.models import User
from apps.accounts.services import audited, record_audit
from apps.core.bus import publish
from apps.core.clock import read_now
from apps.core.errors import FieldError, Invalid
from apps.ml.diagnosis.judges import JUDGES
from apps.ml.models import Diagnosis, Feedback, Finding
from apps.ml.published import FeedbackGiven

MOST_AT_ONCE = 200
LONGEST_NOTE = 500

Judged = Finding | Diagnosis


@dataclass(frozen=True, slots=True)
class Word:
    """What is said; `cause` is one of the classes of problems, or empty."""

    verdict: str
    cause: str = ""
    note: str = ""


@audited()
def give_feedback(judged: Sequence[Judged], word: Word, *, user: User) -> list[Feedback]:
    """The user's word about each of them, which replaces the one before; with an audit entry each.

    Of a diagnosis with a cause it is said of the finding. That something unusual was a certain
    cause confirms it, and so does naming the cause that was found.
    Raises: Invalid for more than 200 at once, an unknown verdict or cause, or a cause of nothing.
    """
    check_word(word, len(judged))
    return [say(find_subject(one), word, user) for one in judged]


@audited()
def withdraw_feedback(judged: Judged, *, user: User) -> bool:
    """Whether the user had said something, which is forgotten now."""
    row = Feedback.objects.filter(**name_subject(find_subject(judged)), said_by=user).first()
    if row is None:
        return False
    record_audit(action="delete", target=row, before=describe_word(row))
    row.delete()
    publish(FeedbackGiven(judged.client_id))
    return True


def check_word(word: Word, count: int) -> None:
    faults = []
    if count > MOST_AT_ONCE:
        faults.append(FieldError("ids", "too_many", f"must be at most {MOST_AT_ONCE}"))
    if word.verdict not in Feedback.Verdict.values:
        known = ", ".join(Feedback.Verdict.values)
        faults.append(FieldError("verdict", "unknown", f"must be one of {known}"))
    if word.cause and word.cause not in JUDGES:
        faults.append(FieldError("cause", "unknown", f"must be one of {', '.join(JUDGES)}"))
    if word.verdict == Feedback.Verdict.OTHER_CAUSE and not word.cause:
        faults.append(FieldError("cause", "required", "must say what it was instead"))
    if word.verdict == Feedback.Verdict.NOT_A_PROBLEM and word.cause:
        faults.append(FieldError("cause", "not_allowed", "must be empty when it was no problem"))
    if len(word.note) > LONGEST_NOTE:
        faults.append(FieldError("note", "too_long", f"must be at most {LONGEST_NOTE} characters"))
    if faults:
        raise Invalid(faults)


def find_subject(judged: Judged) -> Judged:
    if isinstance(judged, Diagnosis) and judged.finding is not None:
        return judged.finding
    return judged


def name_subject(subject: Judged) -> Mapping[str, Any]:
    return {"finding" if isinstance(subject, Finding) else "diagnosis": subject}


def say(subject: Judged, word: Word, user: User) -> Feedback:
    named = name_subject(subject)
    before = Feedback.objects.filter(**named, said_by=user).first()
    row, is_new = Feedback.objects.update_or_create(
        **named,
        said_by=user,
        defaults={
            "verdict": find_verdict(subject, word),
            "cause": word.cause,
            "note": word.note,
            "said_at": read_now(),
        },
    )
    record_audit(
        action="create" if is_new else "change",
        target=row,
        before=describe_word(before) if before is not None else None,
        after=describe_word(row),
    )
    publish(FeedbackGiven(subject.client_id))
    return row


def find_verdict(subject: Judged, word: Word) -> str:
    """What the word means for this subject: only another cause than the one found is "other"."""
    if not word.cause:
        return word.verdict
    if isinstance(subject, Finding):
        is_same = subject.kind != Finding.Kind.DIAGNOSIS or subject.cause == word.cause
        return Feedback.Verdict.CONFIRMED if is_same else Feedback.Verdict.OTHER_CAUSE
    return Feedback.Verdict.OTHER_CAUSE


def describe_word(row: Feedback) -> dict[str, object]:
    return {
        "finding": row.finding_id,
        "diagnosis": row.diagnosis_id,
        "verdict": row.verdict,
        "cause": row.cause,
        "note": row.note,
    }
