"""How the text of an environment variable becomes a value, or a refusal that says the rule."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import available_timezones

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable: its default as text, and what turns text into a value."""

    name: str
    default: str
    parse: Callable[[str], object]
    meaning: str
    seed_name: str = ""
    is_secret: bool = False


def parse_text(text: str) -> str:
    return text


def parse_file(text: str) -> str:
    if text and not Path(text).is_file():
        raise ValueError("must be the path of a file that is there, or empty")
    return text


def parse_flag(text: str) -> bool:
    if text.lower() in TRUE_WORDS:
        return True
    if text.lower() in FALSE_WORDS:
        return False
    raise ValueError("must be 1 or 0 (or true/false, yes/no, on/off)")


def parse_words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def parse_log_level(text: str) -> str:
    if text.upper() not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")
    return text.upper()


def parse_time_zone(text: str) -> str:
    if text not in available_timezones():
        raise ValueError("must be a time zone of the IANA list, such as Europe/Berlin")
    return text


def parse_whole_number(minimum: int, maximum: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ValueError("must be a whole number") from None
        if not minimum <= number <= maximum:
            raise ValueError(f"must be from {minimum} to {maximum}")
        return number

    return parse


def parse_seconds(minimum: float, maximum: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            raise ValueError("must be a number of seconds") from None
        if not minimum <= number <= maximum:
            raise ValueError(f"must be from {minimum:g} to {maximum:g} seconds")
        return number

    return parse


def parse_networks(text: str) -> tuple[str, ...]:
    for word in parse_words(text):
        try:
            ipaddress.ip_network(word)
        except ValueError:
            raise ValueError("must be networks such as 10.0.0.0/8, with commas between") from None
    return parse_words(text)


def parse_url_of(*schemes: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text and urlsplit(text).scheme not in schemes:
            raise ValueError(f"must start with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return text

    return parse
