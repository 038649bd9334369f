from apps.core.errors import Conflict


class MailNotConfigured(Conflict):
    """No mail server is set."""

    def __init__(self) -> None:
        super().__init__(
            "mail_not_configured",
            "No mail server is set. Name one in the server's settings or with SMTP_SERVER.",
        )


class MailFault(Conflict):
    """A message was not taken by the mail server; `reason` says why in words."""

    def __init__(self, reason: str) -> None:
        super().__init__("mail_fault", reason)
        self.reason = reason
