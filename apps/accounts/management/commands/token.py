from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.accounts.actors import Actor, act_as
from apps.accounts.models import AuditEntry, Token, User
from apps.accounts.services import create_token
from apps.core.errors import Invalid


class Command(BaseCommand):
    help = "Make an API token and print it once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make a token for a user")
        create.add_argument("--user", required=True, help="user name")
        create.add_argument("--name", required=True, help="what the token is for")
        create.add_argument(
            "--scope", action="append", required=True, choices=Token.Scope.values, dest="scopes"
        )
        create.add_argument("--days", type=int, default=365, help="days until it expires")

    def handle(self, *_args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"--user: there is no user {options['user']!r}")
        if options["days"] < 1:
            raise CommandError("--days: must be 1 or more")
        try:
            with act_as(Actor(label="command line", via=AuditEntry.Via.COMMAND)):
                _token, secret = create_token(
                    user=user,
                    name=options["name"],
                    scopes=options["scopes"],
                    life=timedelta(days=options["days"]),
                )
        except Invalid as error:
            raise CommandError(error.detail) from error
        self.stdout.write(secret)
