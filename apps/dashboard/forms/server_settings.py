from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from apps.accounts.setting_selectors import ServerSetting
from apps.configuration.checking import describe_limits
from apps.configuration.definitions import GROUPS, Definition
from apps.dashboard.forms.base import PageForm, style_field

Values = dict[str, object]


@dataclass(frozen=True, slots=True)
class SettingLine:
    """A setting and its field, as one line of the page."""

    setting: ServerSetting
    field: forms.BoundField

    @property
    def environment_text(self) -> str:
        """What holds after a reset; empty when that is nothing."""
        return write_value(self.setting.state.seed)


def write_value(value: object) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


class SettingsForm(PageForm):
    """One group's settings; it only reads what was typed, the service judges it."""

    def __init__(
        self, *args: Any, group: str, settings: Sequence[ServerSetting], **kwargs: Any
    ) -> None:
        self.settings = [one for one in settings if one.state.definition.group == group]
        super().__init__(*args, **kwargs)
        self.group = group
        for one in self.settings:
            field = self.fields[one.state.definition.name] = build_field(one)
            style_field(field)

    @property
    def title(self) -> str | Promise:
        return GROUPS[self.group]

    @property
    def lines(self) -> list[SettingLine]:
        return [SettingLine(one, self[one.state.definition.name]) for one in self.settings]

    def read_changes(self) -> Values:
        """What differs from the values that hold now; an empty secret means: leave it."""
        return {
            one.state.definition.name: value
            for one in self.settings
            for value in [read_value(one.state.definition, self.cleaned_data)]
            if is_changed(one, value)
        }


def is_changed(setting: ServerSetting, value: object) -> bool:
    if setting.state.definition.kind == "secret":
        return value != ""
    current = setting.state.value
    return value != (list(current) if isinstance(current, tuple) else current)


def read_value(definition: Definition, cleaned: dict[str, Any]) -> object:
    value = cleaned[definition.name]
    if definition.kind == "words":
        return [word.strip() for word in value.split(",") if word.strip()]
    return value


def build_field(setting: ServerSetting) -> forms.Field:
    definition, value = setting.state.definition, setting.state.value
    options: dict[str, Any] = {
        "label": definition.title,
        "required": definition.kind in {"whole", "number", "choice"},
        "help_text": describe_help(definition),
    }
    match definition.kind:
        case "flag":
            return forms.BooleanField(initial=value, **{**options, "required": False})
        case "choice":
            choices = [(word, word) for word in definition.choices]
            return forms.ChoiceField(initial=value, choices=choices, **options)
        case "whole" | "number":
            return build_number_field(definition, value, options)
        case "secret":
            return build_secret_field(is_set=bool(value), options=options)
        case "words":
            return forms.CharField(initial=write_value(value), **options)
    return forms.CharField(initial=value, **options)


def build_number_field(
    definition: Definition, value: object, options: dict[str, Any]
) -> forms.Field:
    is_whole = definition.kind == "whole"
    field = forms.IntegerField(**options) if is_whole else forms.FloatField(**options)
    is_round = isinstance(value, float) and value.is_integer()
    field.initial = write_value(value) if is_round else value
    field.widget.attrs.update(
        {"step": "1" if is_whole else "any", "min": definition.minimum, "max": definition.maximum}
    )
    return field


def build_secret_field(*, is_set: bool, options: dict[str, Any]) -> forms.Field:
    hint = _("set; type a new one to replace it") if is_set else _("not set")
    attributes = {"autocomplete": "new-password", "placeholder": hint}
    return forms.CharField(strip=False, widget=forms.PasswordInput(attrs=attributes), **options)


def describe_help(definition: Definition) -> str:
    limits = describe_limits(definition)
    sentence = f"{limits[:1].upper()}{limits[1:]}." if limits else ""
    return " ".join(part for part in (str(definition.help), sentence) if part)
