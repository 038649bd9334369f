"""Looks at everything the server needs and says what to do. A new check is a line below."""

from collections.abc import Iterable, Mapping

import structlog

from apps.operations.doctor.additions import check_plugins
from apps.operations.doctor.base import Check, Finding, Verdict
from apps.operations.doctor.machine import check_clock, check_disk, check_files
from apps.operations.doctor.stores import check_database, check_migrations, check_redis
from apps.operations.doctor.work import check_jobs
from apps.operations.doctor.workers import check_supervisor, check_workers

logger = structlog.get_logger(__name__)

CHECKS: Mapping[str, Check] = {
    "database": check_database,
    "migrations": check_migrations,
    "redis": check_redis,
    "workers": check_workers,
    "jobs": check_jobs,
    "supervisor": check_supervisor,
    "clock": check_clock,
    "disk": check_disk,
    "files": check_files,
    "plug-ins": check_plugins,
}

__all__ = ["CHECKS", "Finding", "Verdict", "examine"]


def examine(checks: Mapping[str, Check] = CHECKS) -> Iterable[Finding]:
    """The findings of all checks, as each is done; a check that breaks is a finding itself."""
    for name, check in checks.items():
        try:
            yield from check()
        except Exception as error:
            logger.exception("doctor_check_broke", check=name)
            yield Finding(name, Verdict.FAILED, f"the check itself broke: {error!r}")
