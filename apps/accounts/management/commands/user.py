import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from apps.accounts import services
from apps.accounts.actors import Actor, act_as
from apps.accounts.models import AuditEntry, Role, User
from apps.accounts.services import Grant
from apps.core.errors import StreamSwarmError


class Command(BaseCommand):
    help = "Make, lock out or rescue a user without a browser."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make a user and print a link for the password")
        create.add_argument("username")
        create.add_argument("--email", default="")
        create.add_argument("--role", choices=Role.Name.values, help="without one: no rights yet")
        create.add_argument("--site", default="", help="short name of the only site it holds at")
        create.add_argument("--tag", default="", help="short name of the only tag it holds on")
        for name, text in (
            ("deactivate", "lock a user out at once"),
            ("reactivate", "let a user in again"),
            ("reset-password", "print a link that sets a new password"),
        ):
            action = actions.add_parser(name, help=text)
            action.add_argument("username")
            if name == "reset-password":
                add_password_option(action)
        add_password_option(create)

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            with act_as(Actor(label="command line", via=AuditEntry.Via.COMMAND)):
                ACTIONS[options["action"]](self, options)
        except StreamSwarmError as error:
            raise CommandError(error.detail) from error

    def create(self, options: Mapping[str, Any]) -> None:
        if not options["role"] and (options["site"] or options["tag"]):
            raise CommandError("--site and --tag say where a --role holds")
        role = Grant(options["role"] or "", site_slug=options["site"], tag_slug=options["tag"])
        user = services.create_user(
            username=options["username"],
            email=options["email"],
            password=read_password(options),
            grants=[role] if options["role"] else [],
        )
        self.stdout.write(f"Made {user.username}.")
        if not options["password_stdin"]:
            self.print_link(user)

    def deactivate(self, options: Mapping[str, Any]) -> None:
        user = find_user(options["username"])
        services.deactivate_user(user=user)
        self.stdout.write(f"{user.username} is locked out.")

    def reactivate(self, options: Mapping[str, Any]) -> None:
        user = find_user(options["username"])
        services.reactivate_user(user=user)
        self.stdout.write(f"{user.username} may sign in again.")

    def reset_password(self, options: Mapping[str, Any]) -> None:
        user = find_user(options["username"])
        password = read_password(options)
        if password is None:
            self.print_link(user)
            self.stdout.write("Using it ends all sessions and revokes all API tokens.")
            return
        services.set_password(user=user, password=password)
        self.stdout.write(f"{user.username} has the new password.")
        self.stdout.write("All sessions have ended and all API tokens are revoked.")

    def print_link(self, user: User) -> None:
        link, secret = services.issue_password_link(user=user)
        base = (settings.BASE_URL or "http://127.0.0.1:8000").rstrip("/")
        self.stdout.write(f"{base}{reverse('dashboard:password-link', args=[secret])}")
        self.stdout.write(f"The link works once, until {link.expires_at:%Y-%m-%d %H:%M} UTC.")


ACTIONS: Mapping[str, Callable[[Command, Mapping[str, Any]], None]] = {
    "create": Command.create,
    "deactivate": Command.deactivate,
    "reactivate": Command.reactivate,
    "reset-password": Command.reset_password,
}


def add_password_option(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--password-stdin", action="store_true", help="read the password from standard input"
    )


def read_password(options: Mapping[str, Any]) -> str | None:
    return sys.stdin.readline().rstrip("\n") if options["password_stdin"] else None


def find_user(username: str) -> User:
    user = User.objects.filter(username=username).first()
    if user is None:
        raise CommandError(f"there is no user {username!r}")
    return user
