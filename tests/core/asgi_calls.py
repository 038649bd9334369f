"""An HTTP call to an ASGI application, as its caller sees it."""


class AnsweredCall:
    """What the application sent, and what it comes to."""

    def __init__(self):
        self.sent = []

    async def send(self, message):
        self.sent.append(message)

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def headers(self):
        return dict(self.sent[0]["headers"])

    @property
    def body(self):
        return b"".join(message.get("body", b"") for message in self.sent[1:])
