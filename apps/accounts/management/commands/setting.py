import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.accounts.actors import Actor, act_as
from apps.accounts.models import AuditEntry
from apps.accounts.services.settings import change_settings, reset_settings
from apps.configuration.definitions import BY_NAME, Definition
from apps.configuration.selectors import SettingState, list_settings
from apps.core.errors import Invalid

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})


class Command(BaseCommand):
    help = "Show and change the server's settings; secrets are set but never shown."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="all settings, their values and where they come from")
        get = actions.add_parser("get", help="the value of one setting")
        get.add_argument("name")
        change = actions.add_parser("set", help="change one setting")
        change.add_argument("name")
        change.add_argument("value", help="a list is written with commas; - reads standard input")
        reset = actions.add_parser("reset", help="back to the environment's value")
        reset.add_argument("names", nargs="+", metavar="name")

    def handle(self, *_args: Any, **options: Any) -> None:
        act = {
            "list": self.show_all,
            "get": self.show_one,
            "set": self.change,
            "reset": self.reset,
        }
        try:
            with act_as(Actor(label="command line", via=AuditEntry.Via.COMMAND)):
                act[options["action"]](options)
        except Invalid as error:
            raise CommandError(error.detail) from error

    def show_all(self, _options: dict[str, Any]) -> None:
        for state in list_settings():
            name, shown = state.definition.name, f"{write_value(state)} {state.definition.unit}"
            self.stdout.write(f"{name:32} {shown.strip():24} {describe_origin(state)}")

    def show_one(self, options: dict[str, Any]) -> None:
        definition = find_definition(options["name"])
        states = {state.definition.name: state for state in list_settings()}
        self.stdout.write(write_value(states[definition.name]))

    def change(self, options: dict[str, Any]) -> None:
        definition = find_definition(options["name"])
        text = self.read_input() if options["value"] == "-" else options["value"]
        change_settings(values={definition.name: read_value(definition, text)})

    def reset(self, options: dict[str, Any]) -> None:
        reset_settings(names=options["names"])

    def read_input(self) -> str:
        """One line, for a secret that should not stand on a command line."""
        return input()


def find_definition(name: str) -> Definition:
    definition = BY_NAME.get(name)
    if definition is None:
        known = ", ".join(sorted(BY_NAME))
        raise CommandError(f"{name}: is no setting of this server; there are {known}")
    return definition


def read_value(definition: Definition, text: str) -> object:
    """What was typed as a value of the setting's kind; what is no number stays text."""
    if definition.kind == "words":
        return [word.strip() for word in text.split(",") if word.strip()]
    if definition.kind == "flag" and text.lower() in TRUE_WORDS | FALSE_WORDS:
        return text.lower() in TRUE_WORDS
    if definition.kind in {"whole", "number"}:
        try:
            return float(text)
        except ValueError:
            return text
    return text


def write_value(state: SettingState) -> str:
    if state.definition.kind == "secret":
        return "(set, hidden)" if state.value else "(not set)"
    if isinstance(state.value, list | tuple):
        return ",".join(str(word) for word in state.value)
    return state.value if isinstance(state.value, str) else json.dumps(state.value)


def describe_origin(state: SettingState) -> str:
    if state.changed_at is not None:
        return f"changed {state.changed_at:%Y-%m-%d %H:%M} {settings.TIME_ZONE}"
    return f"from {state.origin} in the environment" if state.origin else "built in"
