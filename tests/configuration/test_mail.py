"""Messages by a real SMTP server on loopback, and what is said when one is not taken."""

import email
import socket
import ssl
from email.policy import default

import pytest

from apps.configuration import mail
from apps.configuration.errors import MailFault, MailNotConfigured
from apps.configuration.mail import send_message
from apps.configuration.services import store_settings
from tests.configuration.conftest import REFUSED, accept_right_password, use_server

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
ANN = "ann@example.org"
AUTH = {
    "authenticator": accept_right_password,
    "auth_required": True,
    "auth_require_tls": False,
}


def read_message(envelope):
    return email.message_from_bytes(envelope.content, policy=default)


def send(**changes):
    send_message(**{"to": [ANN], "subject": "Hello", "text": "Good day.", **changes})


def catch_fault(**changes):
    with pytest.raises(MailFault) as caught:
        send(**changes)
    return caught.value.reason


def test_without_a_server_nothing_is_sent():
    with pytest.raises(MailNotConfigured, match="SMTP_SERVER"):
        send()


def test_a_message_arrives_with_text_and_html(mail_server):
    mailbox = mail_server()
    store_settings(values={"mail_sender": "swarm@example.org"})
    send(to=[ANN, "bob@example.org"], html="<p>Good day.</p>")
    (envelope,) = mailbox.envelopes
    message = read_message(envelope)
    assert envelope.mail_from == message["From"] == "swarm@example.org"
    assert envelope.rcpt_tos == [ANN, "bob@example.org"]
    assert message["Subject"] == "Hello"
    assert message.get_content_type() == "multipart/alternative"
    assert message.get_body(("plain",)).get_content().strip() == "Good day."
    assert message.get_body(("html",)).get_content().strip() == "<p>Good day.</p>"


@pytest.mark.parametrize(
    ("user", "sender"),
    [("robot@example.org", "robot@example.org"), ("", "streamswarm@127.0.0.1")],
)
def test_the_sender_is_the_mail_user_or_a_name_at_the_server(user, sender):
    use_server("127.0.0.1", 25, smtp_user=user)
    assert mail.load_mail_server().sender == sender


def test_line_ends_in_a_subject_make_no_header(mail_server):
    mailbox = mail_server()
    send(subject="Hello\r\nBcc: eve@example.org\n")
    (envelope,) = mailbox.envelopes
    message = read_message(envelope)
    assert message["Subject"] == "Hello Bcc: eve@example.org"
    assert message["Bcc"] is None
    assert envelope.rcpt_tos == [ANN]


@pytest.mark.parametrize(
    "address", ["ann@example.org\r\nBcc: eve@example.org", "ann@example.org\nx", "ann", "", "@"]
)
def test_what_is_no_address_is_refused_before_anything_is_sent(mail_server, address):
    mailbox = mail_server()
    assert "is no e-mail address" in catch_fault(to=[ANN, address])
    assert mailbox.envelopes == []


def test_a_message_needs_a_recipient(mail_server):
    mail_server()
    assert "no recipient" in catch_fault(to=[])


def test_the_right_password_lets_a_message_in(mail_server):
    mailbox = mail_server(**AUTH)
    store_settings(values={"smtp_user": "robot", "smtp_password": "right horse"})
    send()
    assert len(mailbox.envelopes) == 1


def test_a_wrong_password_is_said_without_showing_it(mail_server):
    mail_server(**AUTH)
    store_settings(values={"smtp_user": "robot", "smtp_password": "wrong horse"})
    reason = catch_fault()
    assert "refused user name and password: 535" in reason
    assert "wrong horse" not in reason


def test_a_refused_recipient_is_named_with_the_servers_words(mail_server):
    mail_server()
    reason = catch_fault(to=[REFUSED])
    assert f"refused the recipient {REFUSED} (550 no such mailbox here)" in reason


def test_a_refused_sender_is_named(mail_server):
    mail_server(**AUTH)
    assert "refused the sender" in catch_fault()


def make_context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_starttls_with_a_trusted_certificate_sends(mail_server, certificate, monkeypatch):
    mailbox = mail_server(tls_context=make_context(certificate), require_starttls=True)
    store_settings(values={"smtp_security": "starttls"})
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    send()
    assert len(mailbox.envelopes) == 1


def test_tls_from_the_start_with_a_trusted_certificate_sends(mail_server, certificate, monkeypatch):
    mailbox = mail_server(ssl_context=make_context(certificate))
    store_settings(values={"smtp_security": "tls"})
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    send()
    assert len(mailbox.envelopes) == 1


def test_a_certificate_nobody_trusts_is_refused(mail_server, certificate):
    mailbox = mail_server(tls_context=make_context(certificate))
    store_settings(values={"smtp_security": "starttls"})
    reason = catch_fault()
    assert "TLS with 127.0.0.1" in reason
    assert "certificate is not trusted" in reason
    assert mailbox.envelopes == []


def test_a_server_without_starttls_is_not_used_in_the_clear(mail_server):
    mailbox = mail_server()
    store_settings(values={"smtp_security": "starttls"})
    assert "does not offer what the settings ask for" in catch_fault()
    assert mailbox.envelopes == []


def test_tls_with_a_server_that_speaks_none_is_a_fault(mail_server):
    mail_server()
    store_settings(values={"smtp_security": "tls"})
    assert "TLS with 127.0.0.1" in catch_fault()


@pytest.fixture
def listener():
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_a_server_that_hangs_is_given_up(listener, monkeypatch):
    monkeypatch.setattr(mail, "TIMEOUT_SECONDS", 0.2)
    use_server(*listener.getsockname())
    assert "did not answer within 0.2 s" in catch_fault()


def test_a_server_that_is_not_there_is_said():
    with socket.create_server(("127.0.0.1", 0)) as server:
        use_server(*server.getsockname())
    assert "refused the connection" in catch_fault()


def test_a_server_waits_ten_seconds_at_most():
    assert mail.TIMEOUT_SECONDS == 10
    use_server("127.0.0.1", 25)
    assert mail.build_connection(mail.load_mail_server()).timeout == 10
