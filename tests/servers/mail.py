"""A real SMTP server on loopback that keeps what it takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.controller import Controller

from tests.servers.waiting import wait_until

DELIVERY_SECONDS = 30.0


@dataclass(slots=True)
class Post:
    """The messages that came, oldest first; whom it refuses, and with which words."""

    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    async def handle_RCPT(  # noqa: N802 - its name in aiosmtpd
        self, _server, _session, envelope, address, _options
    ):
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 known"

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - its name in aiosmtpd
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 taken"

    def wait_for(self, address: str) -> EmailMessage:
        """The first message to that address, once it is there."""
        found: list[EmailMessage] = []

        def has_come() -> bool:
            found[:] = [message for message in self.messages if message["To"] == address]
            return bool(found)

        wait_until(has_come, seconds=DELIVERY_SECONDS, what=f"mail to {address}")
        return found[0]


class MailController(Controller):
    """On the port that the system chose for port 0."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def run_post() -> Iterator[Post]:
    post = Post()
    controller = MailController(post, hostname="127.0.0.1", port=0)
    controller.start()
    post.port = controller.port
    try:
        yield post
    finally:
        controller.stop()
