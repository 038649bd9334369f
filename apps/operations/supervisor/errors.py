class SupervisorError(Exception):
    """What stops the supervisor; its text is shown to the person who started it."""


class CannotStartError(SupervisorError):
    """Nothing was started: something on this machine is in the way."""


class NotReadyError(SupervisorError):
    """A child did not become ready in its time."""
