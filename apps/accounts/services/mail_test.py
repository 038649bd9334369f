from enum import StrEnum

from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.configuration.mail import send_message
from apps.configuration.selectors import read_words
from apps.core.errors import Conflict


class MailTestTo(StrEnum):
    """Who gets a test message: the one who asks, or the alerts' recipients."""

    ME = "me"
    ALERT_RECIPIENTS = "alert_recipients"


def send_test_message(*, user: User, to: MailTestTo = MailTestTo.ME) -> list[str]:
    """The addresses that a message saying "it works" was sent to.

    Raises: Conflict when there is no address, MailNotConfigured, MailFault with its reason.
    """
    if to == MailTestTo.ME:
        addresses, missing = [user.email], _("Your profile has no e-mail address.")
    else:
        addresses, missing = list(read_words("alert_recipients")), _("There are no recipients yet.")
    if not any(addresses):
        raise Conflict("no_address", missing)
    send_message(
        to=addresses,
        subject=_("StreamSwarm: test message"),
        text=_("This server can send mail. %(name)s asked for this message.")
        % {"name": user.get_username()},
    )
    return addresses
