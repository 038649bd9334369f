"""Two weeks of two hosts, an engineer who reports on them, and a server that has a mail server."""

from apps.accounts.models import User
from apps.accounts.services import Grant, create_user
from apps.clients.models import Client
from apps.configuration.services import store_settings
from apps.core.clock import read_now
from apps.tests.models import Assignment
from tests.browser import compared
from tests.factories.clients import make_site


def fill(name, password, address, port):
    """An operator of that name and address, and everything that `compared` has."""
    compared.fill("root", password)
    create_user(username=name, password=password, grants=[Grant("operator")])
    User.objects.filter(username=name).update(email=address)
    Assignment.objects.update(created_at=read_now() - 2 * compared.WEEK)
    Client.objects.filter(name="edge-1").update(site=make_site("vienna"))
    store_settings(
        values={
            "smtp_server": "127.0.0.1",
            "smtp_port": port,
            "smtp_security": "none",
            "mail_sender": "swarm@example.org",
        }
    )
