"""Whose word counts: from what everybody says to the values in force."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from streamswarm_agent.runtime.configuration.kinds import Value
from streamswarm_agent.runtime.configuration.sources import (
    Said,
    find_file,
    read_environment,
    read_file,
    read_options,
    read_server,
)
from streamswarm_agent.runtime.configuration.table import SETTINGS, Origin, Rule, Setting
from streamswarm_agent.wire.messages import CollectorSettings, Config

_STRENGTH = {origin: place for place, origin in enumerate(Origin)}


@dataclass(frozen=True, slots=True)
class Resolved:
    """A setting's value in force, who decided it, and what others said in vain."""

    setting: Setting
    value: Value
    origins: tuple[Said, ...]
    overridden: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class Configuration:
    """All that is said on this host; the server's word is added when a value is asked for."""

    said: tuple[Said, ...] = ()
    file: Path | None = None

    def resolve(self, name: str, config: Config | None = None) -> Resolved:
        """The setting as it stands with what the server says, if it has said anything."""
        return resolve(SETTINGS[name], (*self.said, *(read_server(config) if config else ())))

    def resolve_all(self, config: Config | None = None) -> Iterator[Resolved]:
        """Every setting of the table, in its order."""
        said = (*self.said, *(read_server(config) if config else ()))
        return (resolve(setting, said) for setting in SETTINGS.values())

    def read_text(self, name: str) -> str | None:
        """A setting of the host's own that is a text, None when nobody says it."""
        value = self.resolve(name).value
        return None if value is None else str(value)

    def read_number(self, name: str) -> float:
        """A setting of the host's own that is a number."""
        value = self.resolve(name).value
        assert isinstance(value, int | float)  # noqa: S101 - the table's kind says so
        return float(value)

    def read_networks(self) -> tuple[str, ...]:
        """The networks that this host's owner denies, wherever that is said."""
        mine = (one.value for one in self.said if one.setting.name == "policy.denied_networks")
        return tuple(network for value in mine if isinstance(value, tuple) for network in value)

    def judge_collector(self, name: str, config: Config) -> CollectorSettings:
        """Whether and how often a collector is read, by the owner's and the server's word."""
        if f"collectors.{name}.enabled" not in SETTINGS:
            return config.collectors.get(name, CollectorSettings())
        interval_seconds = self.resolve(f"collectors.{name}.interval_seconds", config).value
        assert isinstance(interval_seconds, int | float)  # noqa: S101 - the table's kind says so
        is_enabled = self.resolve(f"collectors.{name}.enabled", config).value
        return CollectorSettings(float(interval_seconds), bool(is_enabled))

    def with_enrolment(self, server_url: str, ca_file: str | None) -> "Configuration":
        """The same, with what the enrolment left behind."""
        left = {"server.url": server_url, "server.ca_file": ca_file}
        added = (
            Said(SETTINGS[name], value, Origin.ENROLMENT, "agent.json")
            for name, value in left.items()
            if value
        )
        return Configuration((*self.said, *added), self.file)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where this process looks for its settings, so that it can look again."""

    environment: Mapping[str, str]
    chosen_file: str | None = None
    assignments: tuple[str, ...] = ()

    def read(self) -> Configuration:
        """What all of them say.

        Raises: ConfigurationRefused naming the place, the setting and its limit.
        """
        file = find_file(self.chosen_file, self.environment)
        said = (
            *read_options(self.assignments),
            *read_environment(self.environment),
            *(read_file(file) if file else ()),
        )
        return Configuration(said, file)


def resolve(setting: Setting, said: Iterable[Said]) -> Resolved:
    """The setting's value by its rule; `said` may hold other settings as well."""
    spoken = sorted(
        (one for one in said if one.setting.name == setting.name),
        key=lambda one: _STRENGTH[one.origin],
    )
    if not spoken:
        return Resolved(setting, setting.built_in, (), ())
    if setting.rule is Rule.UNION:
        return _unite(setting, spoken)
    winner = _choose(setting, spoken)
    return Resolved(setting, winner.value, (winner,), tuple(o for o in spoken if o is not winner))


def _choose(setting: Setting, spoken: list[Said]) -> Said:
    """The owner's first word, unless the rule prefers the server's."""
    owner = spoken[0]
    server = next((one for one in spoken if one.origin is Origin.SERVER), owner)
    if setting.rule is Rule.SLOWER:
        return max(server, owner, key=lambda one: float(str(one.value)))
    if setting.rule is Rule.OFF_STAYS_OFF:
        return owner if owner.value is False else server
    return owner


def _unite(setting: Setting, spoken: list[Said]) -> Resolved:
    united: dict[str, None] = {}
    heard = list(spoken)
    if all(one.origin is not Origin.SERVER for one in spoken):
        heard.append(Said(setting, setting.built_in, Origin.BUILT_IN, ""))
    for one in heard:
        united.update(dict.fromkeys(one.value if isinstance(one.value, tuple) else ()))
    return Resolved(setting, tuple(united), tuple(heard), ())
