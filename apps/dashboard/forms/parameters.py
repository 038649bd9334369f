"""Form fields out of a test kind's JSON Schema: titles, units, limits and defaults stand there."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from apps.dashboard.forms.wording import Text, find_help, name_choice
from apps.tests.kinds import Kind

Rule = Mapping[str, Any]


def name_field(kind: Kind, parameter: str) -> str:
    """The form's name of a parameter: each kind keeps what was typed for it."""
    return f"{kind.name}-{parameter}"


def build_fields(kind: Kind) -> dict[str, forms.Field]:
    required = set(kind.schema.get("required", ()))
    return {
        name_field(kind, name): build_field(
            rule, is_required=name in required, help_text=find_help(kind.name, name)
        )
        for name, rule in kind.describe_parameters()["properties"].items()
    }


def build_field(rule: Rule, *, is_required: bool, help_text: Text = "") -> forms.Field:
    """The field of one parameter; left empty, an optional one takes its default.

    It only reads the value: the service judges limits, together with those of all other fields.
    """
    options: dict[str, Any] = {
        "label": rule.get("title", ""),
        "required": is_required,
        "initial": plain(rule.get("default")),
        "help_text": describe_help(rule, help_text or rule.get("description", "")),
    }
    if "enum" in rule:
        field: forms.Field = forms.ChoiceField(
            choices=[(value, name_choice(value)) for value in rule["enum"]], **options
        )
    elif rule["type"] == "boolean":
        field = forms.BooleanField(**{**options, "required": False})
    elif rule["type"] in {"number", "integer"}:
        field = build_number_field(rule, options)
    else:
        field = forms.CharField(**options)
    field.widget.attrs["data-unit"] = rule.get("x-unit", "")
    return field


def build_number_field(rule: Rule, options: dict[str, Any]) -> forms.Field:
    is_whole = rule["type"] == "integer"
    field: forms.Field = forms.IntegerField(**options) if is_whole else forms.FloatField(**options)
    field.widget.attrs["step"] = "1" if is_whole else "any"
    for attribute, name in (("min", "minimum"), ("max", "maximum")):
        if name in rule:
            field.widget.attrs[attribute] = rule[name]
    return field


def plain(default: Any) -> Any:
    """Without the ".0" of a whole number."""
    return int(default) if isinstance(default, float) and default.is_integer() else default


def describe_help(rule: Rule, help_text: Text) -> str:
    """The limits, and what helps to choose; a long text's limit is no help beside that."""
    limits = "" if help_text and "maxLength" in rule else describe_limits(rule)
    return " · ".join(filter(None, (limits, str(help_text))))


def describe_limits(rule: Rule) -> str:
    lowest, highest = rule.get("minimum"), rule.get("maximum")
    if lowest is not None and highest is not None:
        limits = {"lowest": f"{lowest:,g}", "highest": write_limit(highest)}
        return _("%(lowest)s to %(highest)s") % limits
    if "maxLength" in rule:
        return _("At most %(count)d characters") % {"count": rule["maxLength"]}
    return ""


def write_limit(number: float) -> str:
    return f"{number:,}" if float(number).is_integer() else f"{number:g}"


def read_parameters(kind: Kind, cleaned: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as the wire has them; an empty optional one is left to its default."""
    values = {name: cleaned.get(name_field(kind, name)) for name in kind.schema["properties"]}
    return {
        name: value
        for name, value in values.items()
        if value is not None and (value != "" or "default" not in kind.schema["properties"][name])
    }
