from apps.core.errors import StreamSwarmError


class JobFailed(StreamSwarmError):
    """What a handler raises to say in words why the job could not be done this time."""

    def __init__(self, detail: str, *, is_final: bool = False) -> None:
        super().__init__("job_failed", detail)
        # Another attempt would end the same way.
        self.is_final = is_final


class JobTimedOut(JobFailed):
    """An attempt took longer than its kind may."""

    def __init__(self, limit_seconds: float) -> None:
        super().__init__(f"It took longer than {limit_seconds:g} s.")


class JobLost(Exception):
    """The run has no claim any more: its job was discarded, or another worker has it."""
