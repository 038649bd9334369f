from collections.abc import Collection, Mapping

from django.conf import settings
from django.db import transaction

from apps.configuration.checking import check_value, find_disorder
from apps.configuration.definitions import BY_NAME, RISING, Definition
from apps.configuration.models import Setting
from apps.configuration.published import SettingsChanged
from apps.configuration.sealing import seal_secret
from apps.configuration.selectors import read_settings
from apps.core.bus import publish
from apps.core.clock import read_now
from apps.core.errors import FieldError, Invalid


@transaction.atomic
def store_settings(*, values: Mapping[str, object]) -> None:
    """Stores all the values, or none, and publishes SettingsChanged.

    Raises: Invalid naming each unknown setting, and each wrong value with its limit.
    """
    checked = check_values(values)
    check_order(checked)
    for name, value in checked.items():
        kept = seal_secret(str(value)) if BY_NAME[name].kind == "secret" else value
        Setting.objects.update_or_create(
            name=name, defaults={"value": kept, "changed_at": read_now()}
        )
    if checked:
        publish(SettingsChanged(tuple(checked)))


@transaction.atomic
def forget_settings(*, names: Collection[str]) -> None:
    """Lets the environment's values hold again, and publishes SettingsChanged.

    Raises: Invalid naming each unknown setting.
    """
    errors = [refuse_name(name) for name in names if name not in BY_NAME]
    if errors:
        raise Invalid(errors)
    check_order({name: settings.SWARM_SEEDS[name] for name in names})
    Setting.objects.filter(name__in=names).delete()
    if names:
        publish(SettingsChanged(tuple(names)))


def check_values(values: Mapping[str, object]) -> dict[str, object]:
    """The values as they are stored.

    Raises: Invalid naming each unknown setting, and each wrong value with its limit.
    """
    checked: dict[str, object] = {}
    errors: list[FieldError] = []
    for name, value in values.items():
        definition = BY_NAME.get(name)
        if definition is None:
            errors.append(refuse_name(name))
            continue
        try:
            checked[name] = check_value(definition, value)
        except ValueError as error:
            errors.append(FieldError(name, choose_code(definition), str(error)))
    if errors:
        raise Invalid(errors)
    return checked


def check_order(changed: Mapping[str, object]) -> None:
    """Raises Invalid when a setting would be greater than one that must not be below it."""
    if changed.keys().isdisjoint(RISING):
        return
    disorder = find_disorder({**read_settings(RISING), **changed})
    if disorder is not None:
        name, rule = disorder
        raise Invalid([FieldError(name, "range", rule)])


def choose_code(definition: Definition) -> str:
    return "range" if definition.kind in {"whole", "number"} else "value"


def refuse_name(name: str) -> FieldError:
    return FieldError(name, "unknown", "is no setting of this server")
