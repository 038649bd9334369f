"""The background work of this room."""

from collections.abc import Mapping

from apps.jobs.registry import JobKind

JOBS: Mapping[str, JobKind] = {}
