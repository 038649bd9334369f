"""What the settings are right now: the stored value, else the environment's."""

from collections.abc import Iterable

from django.conf import settings

from apps.configuration.definitions import BY_NAME
from apps.configuration.models import Setting


def read_settings(names: Iterable[str]) -> dict[str, object]:
    """The values of those settings, in one query.

    Raises: KeyError for a name that DEFINITIONS does not have.
    """
    wanted = {name: BY_NAME[name] for name in names}
    stored = dict(Setting.objects.filter(name__in=wanted).values_list("name", "value"))
    return {name: stored.get(name, settings.SWARM_SEEDS[name]) for name in wanted}


def read_flag(name: str) -> bool:
    """The value of a yes-or-no setting."""
    return bool(read_settings([name])[name])
