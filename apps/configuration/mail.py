"""Messages to people, by the mail server of the settings."""

import smtplib
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Any

import structlog
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend
from django.core.mail.message import BadHeaderError, sanitize_address

from apps.configuration.errors import MailFault, MailNotConfigured
from apps.configuration.selectors import read_settings

logger = structlog.get_logger(__name__)

TIMEOUT_SECONDS = 10.0
LONGEST_ANSWER = 200
NAMES = (
    "smtp_server",
    "smtp_port",
    "smtp_security",
    "smtp_user",
    "smtp_password",
    "mail_sender",
)


@dataclass(frozen=True, slots=True)
class MailServer:
    """How messages leave: `security` is none, starttls or tls."""

    host: str
    port: int
    security: str
    user: str
    password: str = field(repr=False)
    sender: str

    @property
    def name(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file beside the text; its name is of plain letters."""

    name: str
    content: bytes = field(repr=False)
    type: str


def load_mail_server() -> MailServer:
    """The mail server of the settings.

    Raises: MailNotConfigured when no server is set.
    """
    values = read_settings(NAMES)
    if not values["smtp_server"]:
        raise MailNotConfigured
    host, user = str(values["smtp_server"]), str(values["smtp_user"])
    fallback = user if "@" in user else f"streamswarm@{host}"
    return MailServer(
        host=host,
        port=int(str(values["smtp_port"])),
        security=str(values["smtp_security"]),
        user=user,
        password=str(values["smtp_password"]),
        sender=str(values["mail_sender"]) or fallback,
    )


def send_message(
    *,
    to: Sequence[str],
    subject: str,
    text: str,
    html: str = "",
    attachments: Sequence[Attachment] = (),
) -> None:
    """Hands one message, with an HTML part beside the text when there is one, to the mail server.

    Takes 10 s at most for each answer of the server. Line ends in the subject become spaces.
    Raises: MailNotConfigured without a server; MailFault saying in words what went wrong.
    """
    server = load_mail_server()
    recipients = [check_recipient(address) for address in to]
    if not recipients:
        raise MailFault("The message has no recipient.")
    connection = build_connection(server)
    message = EmailMultiAlternatives(
        subject=" ".join(subject.split()),
        body=text,
        from_email=server.sender,
        to=recipients,
        connection=connection,
    )
    if html:
        message.attach_alternative(html, "text/html")
    for one in attachments:
        message.attach(one.name, one.content, one.type)
    try:
        connection.open()
        message.send()
    except (OSError, smtplib.SMTPException, BadHeaderError, ValueError) as error:
        # Without the server's words, which may hold somebody's address.
        logger.warning("mail_fault", server=server.name, fault=type(error).__name__)
        raise MailFault(explain_fault(error, server)) from error
    finally:
        close_quietly(connection)
    logger.info("mail_sent", server=server.name, recipients=len(recipients))


def reach_mail_server() -> str:
    """The name of the mail server of the settings, after signing in there; nothing is sent.

    Raises: MailNotConfigured without a server; MailFault saying in words what went wrong.
    """
    server = load_mail_server()
    connection = build_connection(server)
    try:
        connection.open()
    except (OSError, smtplib.SMTPException) as error:
        raise MailFault(explain_fault(error, server)) from error
    finally:
        close_quietly(connection)
    return server.name


def build_connection(server: MailServer) -> EmailBackend:
    """Django's SMTP connection, which checks certificates by the system's authorities."""
    return EmailBackend(
        host=server.host,
        port=server.port,
        username=server.user,
        password=server.password,
        use_tls=server.security == "starttls",
        use_ssl=server.security == "tls",
        timeout=TIMEOUT_SECONDS,
        fail_silently=False,
    )


def check_recipient(address: str) -> str:
    """The address, if it can stand in a header.

    Raises: MailFault when it is no address.
    """
    shown = repr(address[:LONGEST_ANSWER])
    if any(character in address for character in "\r\n") or "@" not in parseaddr(address)[1]:
        raise MailFault(f"{shown} is no e-mail address.")
    try:
        return sanitize_address(address, "utf-8")
    except ValueError:
        raise MailFault(f"{shown} is no e-mail address.") from None


def close_quietly(connection: EmailBackend) -> None:
    """The message was taken or refused before; how the farewell goes changes neither."""
    try:
        connection.close()
    except (OSError, smtplib.SMTPException):
        return


def explain_fault(error: Exception, server: MailServer) -> str:
    """The sentence for a fault: what did not work, and what the server said."""
    for kind, explain in EXPLANATIONS:
        if isinstance(error, kind):
            return explain(error, server)
    return f"The message could not be made: {error}"


def explain_password(error: Any, server: MailServer) -> str:
    answer = read_answer(error.smtp_error)
    return f"{server.name} refused user name and password: {error.smtp_code} {answer}"


def explain_sender(error: Any, server: MailServer) -> str:
    answer = read_answer(error.smtp_error)
    return f"{server.name} refused the sender {server.sender}: {error.smtp_code} {answer}"


def explain_response(error: Any, server: MailServer) -> str:
    answer = read_answer(error.smtp_error)
    return f"{server.name} refused the message: {error.smtp_code} {answer}"


def explain_missing(error: Any, server: MailServer) -> str:
    return f"{server.name} does not offer what the settings ask for: {error}"


def explain_certificate(error: Any, server: MailServer) -> str:
    return f"TLS with {server.name} failed: its certificate is not trusted ({error.reason})"


def explain_tls(error: Any, server: MailServer) -> str:
    return f"TLS with {server.name} failed: {error.reason or error}"


def explain_silence(_error: Any, server: MailServer) -> str:
    return f"{server.name} did not answer within {TIMEOUT_SECONDS:g} s."


def explain_refusal(_error: Any, server: MailServer) -> str:
    return f"{server.name} refused the connection: nothing listens there."


def explain_distance(error: Any, server: MailServer) -> str:
    return f"{server.name} cannot be reached: {error.strerror or error}"


def explain_recipients(error: Any, server: MailServer) -> str:
    refusals = (
        f"{address} ({code} {read_answer(answer)})"
        for address, (code, answer) in error.recipients.items()
    )
    return f"{server.name} refused the recipient {', '.join(refusals)}"


def explain_disconnection(error: Any, server: MailServer) -> str:
    """Python's SMTP client turns a time-out between two answers into a disconnection."""
    if isinstance(error.__context__, TimeoutError):
        return f"{server.name} did not answer within {TIMEOUT_SECONDS:g} s."
    return f"{server.name} closed the connection: {error}"


def read_answer(answer: bytes | str) -> str:
    """What the server said, as one short line."""
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    return " ".join(text.split())[:LONGEST_ANSWER]


# The first that fits counts: the special ones stand before what they are a kind of.
EXPLANATIONS: tuple[tuple[type[Exception], Callable[[Any, MailServer], str]], ...] = (
    (smtplib.SMTPAuthenticationError, explain_password),
    (smtplib.SMTPRecipientsRefused, explain_recipients),
    (smtplib.SMTPSenderRefused, explain_sender),
    (smtplib.SMTPResponseException, explain_response),
    (smtplib.SMTPNotSupportedError, explain_missing),
    (smtplib.SMTPServerDisconnected, explain_disconnection),
    (ssl.SSLCertVerificationError, explain_certificate),
    (ssl.SSLError, explain_tls),
    (TimeoutError, explain_silence),
    (ConnectionRefusedError, explain_refusal),
    (OSError, explain_distance),
)
