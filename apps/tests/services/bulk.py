"""One action on many tests; each is done, or refused, on its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from apps.accounts.policy import AnyUser
from apps.core.errors import FieldError, Invalid, StreamSwarmError
from apps.tests.models import Test
from apps.tests.selectors import get_test_to_change, get_test_to_delete
from apps.tests.services.changing import delete_test, pause_test, resume_test
from apps.tests.services.running import run_now

MOST_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Failure:
    """A test on which the action was refused, and why."""

    test_id: UUID
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The tests on which the action was done, and those on which it was not."""

    done: tuple[UUID, ...]
    failed: tuple[Failure, ...]


def run_test(*, test: Test) -> None:
    run_now(test=test)


ACTIONS: Mapping[str, Callable[..., None]] = {
    "delete": delete_test,
    "pause": pause_test,
    "resume": resume_test,
    "run_now": run_test,
}


def act_on_tests(*, user: AnyUser, action: str, test_ids: Sequence[UUID]) -> Outcome:
    """What became of each test, in the order of the ids; unknown ones are among the failed.

    Raises: Invalid for an unknown action or more than 500 tests.
    """
    act = ACTIONS.get(action)
    if act is None:
        detail = f"must be one of {', '.join(sorted(ACTIONS))}"
        raise Invalid([FieldError("action", "unknown", detail)])
    if len(test_ids) > MOST_AT_ONCE:
        detail = f"must be at most {MOST_AT_ONCE} at once"
        raise Invalid([FieldError("tests", "too_many", detail)])
    find = get_test_to_delete if action == "delete" else get_test_to_change
    done, failed = [], []
    for test_id in dict.fromkeys(test_ids):
        try:
            act(test=find(user, test_id))
        except StreamSwarmError as error:
            failed.append(Failure(test_id, error.code, error.detail))
        else:
            done.append(test_id)
    return Outcome(tuple(done), tuple(failed))
