"""What the settings are right now: the stored value, else the environment's."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from django.conf import settings

from apps.configuration.checking import check_value
from apps.configuration.definitions import BY_NAME, DEFINITIONS, Definition
from apps.configuration.models import Setting
from apps.configuration.sealing import open_secret

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SettingState:
    """A setting as it holds now; `value` of a secret is only whether there is one.

    `changed_at` is None while the environment's value holds; `origin` is the variable that gives
    that value, empty when it is built in.
    """

    definition: Definition
    value: object = field(repr=False)
    seed: object = field(repr=False)
    origin: str
    changed_at: datetime | None


def read_settings(names: Iterable[str]) -> dict[str, object]:
    """The values of those settings, in one query.

    Raises: KeyError for a name that DEFINITIONS does not have.
    """
    wanted = {name: BY_NAME[name] for name in names}
    stored = dict(Setting.objects.filter(name__in=wanted).values_list("name", "value"))
    return {name: choose_value(definition, stored.get(name)) for name, definition in wanted.items()}


def choose_value(definition: Definition, stored: object) -> object:
    """The stored value while it is a right one, else the seed; `stored` is None without a row.

    A value that was right once may be wrong after an upgrade or with another signing key.
    """
    seed: object = settings.SWARM_SEEDS[definition.name]
    if stored is None:
        return seed
    try:
        plain = open_secret(str(stored)) if definition.kind == "secret" else stored
        return check_value(definition, plain)
    except ValueError as error:
        logger.warning("setting_unusable", setting=definition.name, reason=str(error))
        return seed


def list_settings() -> list[SettingState]:
    """Every setting as it holds now, in the order of DEFINITIONS, in one query."""
    rows = {row.name: row for row in Setting.objects.all()}
    return [describe_setting(definition, rows.get(definition.name)) for definition in DEFINITIONS]


def describe_setting(definition: Definition, row: Setting | None) -> SettingState:
    seed: object = settings.SWARM_SEEDS[definition.name]
    value = choose_value(definition, row.value if row else None)
    is_secret = definition.kind == "secret"
    return SettingState(
        definition=definition,
        value=bool(value) if is_secret else value,
        seed=bool(seed) if is_secret else seed,
        origin=settings.SWARM_SEED_ORIGINS[definition.name],
        changed_at=row.changed_at if row else None,
    )


def read_flag(name: str) -> bool:
    """The value of a yes-or-no setting."""
    return bool(read_settings([name])[name])


def read_number(name: str) -> float:
    """The value of a setting of kind number or whole, in the unit of its definition."""
    return float(str(read_settings([name])[name]))


def read_whole(name: str) -> int:
    """The value of a setting of kind whole, in the unit of its definition."""
    return int(str(read_settings([name])[name]))


def read_text(name: str) -> str:
    """The value of a setting of kind text or choice."""
    return str(read_settings([name])[name])


def read_words(name: str) -> tuple[str, ...]:
    """The value of a setting that is a list of words."""
    value = read_settings([name])[name]
    return tuple(value) if isinstance(value, list | tuple) else ()


def read_secret(name: str) -> str:
    """A secret in the clear, for the one who hands it to another program; never to be shown."""
    return str(read_settings([name])[name])
