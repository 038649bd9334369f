from apps.tests.services.definition import (
    TestDefinition,
    assign_clients,
    change_test,
    create_test,
    delete_test,
    pause_test,
    resume_test,
)
from apps.tests.services.leasing import Lease, grant_lease
from apps.tests.services.planning import close_overdue_runs, plan_runs
from apps.tests.services.results import NewResult, mark_running, record_result
from apps.tests.services.running import run_now, stop_runs
from apps.tests.services.starter import create_starter_tests

__all__ = [
    "Lease",
    "NewResult",
    "TestDefinition",
    "assign_clients",
    "change_test",
    "close_overdue_runs",
    "create_starter_tests",
    "create_test",
    "delete_test",
    "grant_lease",
    "mark_running",
    "pause_test",
    "plan_runs",
    "record_result",
    "resume_test",
    "run_now",
    "stop_runs",
]
