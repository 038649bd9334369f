"""What happens when somebody signs in, through whichever door: a receiver of Django's signal."""

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest

from apps.accounts.models import User
from apps.accounts.senders import describe_visit
from apps.accounts.services.sessions import start_session


def connect_receivers() -> None:
    user_logged_in.connect(begin_session, dispatch_uid="accounts.begin_session")


def begin_session(request: HttpRequest, user: User, **_options: Any) -> None:
    start_session(session=request.session, user=user, visit=describe_visit(request))
