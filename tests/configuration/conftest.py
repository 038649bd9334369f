import ipaddress
from datetime import UTC, datetime, timedelta

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from apps.configuration.services import store_settings

REFUSED = "gone@example.org"


class Mailbox:
    """An SMTP server's handler that keeps what it takes."""

    def __init__(self):
        self.envelopes = []

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802 - its name
        if address == REFUSED:
            return "550 no such mailbox here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - its name
        self.envelopes.append(envelope)
        return "250 taken"


class MailController(Controller):
    """On the port that the system chose for port 0."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def accept_right_password(_server, _session, _envelope, _mechanism, given):
    is_right = isinstance(given, LoginPassword) and given.password == b"right horse"
    return AuthResult(success=is_right, handled=False)


@pytest.fixture
def mail_server():
    """Starts a real SMTP server on loopback and points the settings at it."""
    controllers = []

    def start(**options):
        mailbox = Mailbox()
        controller = MailController(mailbox, hostname="127.0.0.1", port=0, **options)
        controllers.append(controller)
        controller.start()
        use_server("127.0.0.1", controller.port)
        return mailbox

    yield start
    for controller in controllers:
        controller.stop()


def use_server(host, port, **values):
    store_settings(
        values={"smtp_server": host, "smtp_port": port, "smtp_security": "none", **values}
    )


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A key and its self-made certificate for 127.0.0.1, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "mail.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    return path
