from apps.tests.services.booking import assign_clients
from apps.tests.services.bulk import act_on_tests
from apps.tests.services.changing import (
    change_test,
    create_test,
    delete_test,
    pause_test,
    resume_test,
)
from apps.tests.services.definition import TestDefinition
from apps.tests.services.leasing import Lease, grant_lease
from apps.tests.services.overdue import close_overdue_runs
from apps.tests.services.planning import plan_runs
from apps.tests.services.quotas import remove_quota, set_quota
from apps.tests.services.rehearsal import rehearse_test
from apps.tests.services.results import NewResult, mark_running, record_result
from apps.tests.services.retention import forget_results
from apps.tests.services.running import run_now, stop_runs
from apps.tests.services.selection import choose_clients, choose_clients_everywhere
from apps.tests.services.starter import create_starter_tests

__all__ = [
    "Lease",
    "NewResult",
    "TestDefinition",
    "act_on_tests",
    "assign_clients",
    "change_test",
    "choose_clients",
    "choose_clients_everywhere",
    "close_overdue_runs",
    "create_starter_tests",
    "create_test",
    "delete_test",
    "forget_results",
    "grant_lease",
    "mark_running",
    "pause_test",
    "plan_runs",
    "record_result",
    "rehearse_test",
    "remove_quota",
    "resume_test",
    "run_now",
    "set_quota",
    "stop_runs",
]
