"""What a setting can be: each kind reads text, judges values and says what it takes."""

import ipaddress
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from streamswarm_agent.errors import ConfigurationRefused

Value = str | float | bool | tuple[str, ...] | None

_SWITCHES = {
    "true": True, "yes": True, "on": True, "1": True,
    "false": False, "no": False, "off": False, "0": False,
}  # fmt: skip


class Kind(Protocol):
    """One kind of setting."""

    @property
    def expectation(self) -> str:
        """What it takes, to end the sentence "must be ..."."""

    def read_text(self, text: str) -> Any:
        """A variable's or an option's text as the value that `accept` judges."""

    def accept(self, value: Any) -> Value:
        """The value as it is used. Raises: ConfigurationRefused when it is not of this kind."""


@dataclass(frozen=True, slots=True)
class Text:
    """Any text that is not empty."""

    expectation: str = "a text"

    def read_text(self, text: str) -> Any:
        return text

    def accept(self, value: Any) -> Value:
        if not isinstance(value, str) or not value.strip():
            raise refuse(self, value)
        return value.strip()


@dataclass(frozen=True, slots=True)
class Address:
    """A URL with one of the schemes and a host."""

    schemes: tuple[str, ...]

    @property
    def expectation(self) -> str:
        return f"a URL like {self.schemes[-1]}://swarm.example.org"

    def read_text(self, text: str) -> Any:
        return text

    def accept(self, value: Any) -> Value:
        try:
            url = httpx.URL(value.strip() if isinstance(value, str) else "")
        except httpx.InvalidURL:
            raise refuse(self, value) from None
        if url.scheme not in self.schemes or not url.host:
            raise refuse(self, value)
        return str(url).rstrip("/")


@dataclass(frozen=True, slots=True)
class IpAddress:
    """An IPv4 or IPv6 address."""

    expectation: str = "an IP address"

    def read_text(self, text: str) -> Any:
        return text

    def accept(self, value: Any) -> Value:
        try:
            return str(ipaddress.ip_address(value.strip() if isinstance(value, str) else ""))
        except ValueError:
            raise refuse(self, value) from None


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def expectation(self) -> str:
        return f"one of {', '.join(self.words)}"

    def read_text(self, text: str) -> Any:
        return text

    def accept(self, value: Any) -> Value:
        word = value.strip().lower() if isinstance(value, str) else value
        if word not in self.words:
            raise refuse(self, value)
        return str(word)


@dataclass(frozen=True, slots=True)
class Switch:
    """On or off."""

    expectation: str = "true or false"

    def read_text(self, text: str) -> Any:
        return _SWITCHES.get(text.strip().lower(), text)

    def accept(self, value: Any) -> Value:
        if not isinstance(value, bool):
            raise refuse(self, value)
        return value


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number between two limits, both of them allowed."""

    lowest: float
    highest: float
    is_whole: bool = False

    @property
    def expectation(self) -> str:
        form = "a whole number" if self.is_whole else "a number"
        return f"{form} from {self.lowest:.15g} to {self.highest:.15g}"

    def read_text(self, text: str) -> Any:
        try:
            return int(text) if self.is_whole else float(text)
        except ValueError:
            return text

    def accept(self, value: Any) -> Value:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or not self.lowest <= value <= self.highest:
            raise refuse(self, value)
        if self.is_whole and not isinstance(value, int):
            raise refuse(self, value)
        number: float = value
        return number


@dataclass(frozen=True, slots=True)
class Networks:
    """A list of networks or addresses; as text, with commas between them."""

    expectation: str = "a list of networks like 10.0.0.0/8"

    def read_text(self, text: str) -> Any:
        return [part.strip() for part in text.split(",") if part.strip()]

    def accept(self, value: Any) -> Value:
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            raise refuse(self, value)
        for entry in value:
            try:
                ipaddress.ip_network(entry if isinstance(entry, str) else "", strict=False)
            except ValueError:
                raise refuse(self, entry) from None
        return tuple(value)


def refuse(kind: Kind, value: Any) -> ConfigurationRefused:
    """The refusal of a value, naming what the kind takes."""
    return ConfigurationRefused(f"{value!r} must be {kind.expectation}")
