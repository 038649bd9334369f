"""What can go wrong on purpose; everything else is a bug."""


class AgentError(Exception):
    """A failure with a sentence for the person who runs the agent."""


class ProbeFailed(AgentError):
    """A run could not measure anything; the text is the result's reason."""


class NameNotResolved(ProbeFailed):
    """The target's name has no address, or none of the wanted IP version."""


class TargetRefused(ProbeFailed):
    """Every address of the target lies in a network that policy denies."""


class ParametersRefused(ProbeFailed):
    """The parameters of a test break its kind's schema; the text names the field and the limit."""


class PluginRefused(AgentError):
    """Another package's addition breaks a rule; the text says which, and it is left out."""


class ConfigurationRefused(AgentError):
    """A setting of the host is not understood; the text names it, where it stands and its limit."""


class StateUnusable(AgentError):
    """The state directory cannot be used: not writable, locked by another agent, or damaged."""


class CallFailed(AgentError):
    """A call to the server got no answer; it may or may not have taken effect."""


class CallRefused(AgentError):
    """The server answered with a refusal."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds
