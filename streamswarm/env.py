"""The environment, read once and checked; `VARIABLES` and docs/settings.md list all of it."""

import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit
from zoneinfo import available_timezones

BASE_DIR = Path(__file__).resolve().parent.parent

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})
MINIMUM_SECRET_LENGTH = 32
CREDENTIALS_PATTERN = re.compile(r"(?<=//).*@")


Value = TypeVar("Value")


class WrongSettingError(ValueError):
    """An environment variable has a value that cannot be used; the message names both."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable: its default as text, and what turns text into a value."""

    name: str
    default: str
    parse: Callable[[str], object]
    meaning: str
    seed_name: str = ""


def parse_text(text: str) -> str:
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


def parse_url_of(*schemes: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text and urlsplit(text).scheme not in schemes:
            raise ValueError(f"must start with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return text

    return parse


VARIABLES: tuple[Variable, ...] = (
    Variable(
        "SWARM_HOST", "127.0.0.1", parse_text, "Address the web server listens on.", "SERVER_HOST"
    ),
    Variable(
        "SWARM_PORT",
        "8000",
        parse_whole_number(1, 65535),
        "Port the web server listens on.",
        "SERVER_PORT",
    ),
    Variable(
        "SWARM_VAR_DIR", "var", parse_text, "Folder for the database, keys, logs and sockets."
    ),
    Variable(
        "SWARM_ADMIN_PASSWORD",
        "",
        parse_text,
        "Password of the first user, `admin`, on a headless first start.",
    ),
    Variable(
        "SWARM_SECRET_KEY",
        "",
        parse_text,
        "Signing key; made and kept in the var folder when empty.",
    ),
    Variable(
        "SWARM_BASE_URL",
        "",
        parse_url_of("http", "https"),
        "Address users see; https turns on secure cookies and HSTS.",
    ),
    Variable(
        "SWARM_ALLOWED_HOSTS",
        "",
        parse_words,
        "Host names the server answers to, besides loopback, SWARM_HOST and the base URL's.",
    ),
    Variable(
        "SWARM_DEBUG",
        "0",
        parse_flag,
        "Django's debug mode; refused on an address others can reach.",
    ),
    Variable(
        "SWARM_WEB_THREADS", "32", parse_whole_number(4, 256), "Threads that answer HTTP requests."
    ),
    Variable("SWARM_TIME_ZONE", "UTC", parse_time_zone, "Time zone shown to users who chose none."),
    Variable("SWARM_LOG_LEVEL", "INFO", parse_log_level, "Least level logged.", "LOG_LEVEL"),
    Variable(
        "SWARM_LOG_JSON", "0", parse_flag, "One JSON object a log line instead of readable text."
    ),
    Variable(
        "SWARM_HEARTBEAT_SECONDS",
        "10",
        parse_seconds(2, 300),
        "How often agents report; three missed make a client offline.",
    ),
    Variable(
        "SWARM_HORIZON_SECONDS",
        "900",
        parse_seconds(60, 86400),
        "How far ahead runs are planned and leased.",
    ),
    Variable(
        "SWARM_HOST_INTERVAL_SECONDS",
        "10",
        parse_seconds(1, 3600),
        "How often agents sample their host.",
    ),
    Variable(
        "SWARM_ADMIN_TWO_FACTOR",
        "0",
        parse_flag,
        "Administrators must set up a second factor before anything else.",
    ),
    Variable(
        "DATABASE_URL",
        "",
        parse_url_of("postgresql", "postgres", "sqlite"),
        "Database; SQLite in the var folder when empty.",
    ),
    Variable(
        "REDIS_URL",
        "",
        parse_url_of("redis", "rediss", "unix"),
        "Redis; the embedded one's socket in the var folder when empty.",
    ),
    Variable(
        "DEFAULT_TEST_DURATION",
        "300",
        parse_seconds(1, 86400),
        "Duration offered for a new test, seconds.",
    ),
    Variable(
        "DEFAULT_TEST_INTERVAL",
        "5",
        parse_seconds(0.2, 3600),
        "Sample interval offered for a new test, seconds.",
    ),
)


@dataclass(frozen=True, slots=True)
class Environment:
    """The checked values by variable name."""

    values: Mapping[str, object]

    def text(self, name: str) -> str:
        return self._read(name, str)

    def words(self, name: str) -> tuple[str, ...]:
        return self._read(name, tuple)

    def flag(self, name: str) -> bool:
        return self._read(name, bool)

    def number(self, name: str) -> float:
        value = self.values[name]
        return float(value) if isinstance(value, int) else self._read(name, float)

    def _read(self, name: str, kind: type[Value]) -> Value:
        value = self.values[name]
        if not isinstance(value, kind):
            raise TypeError(f"{name} is read as {kind} but parsed as {type(value)}")
        return value

    @property
    def var_dir(self) -> Path:
        return (BASE_DIR / self.text("SWARM_VAR_DIR")).resolve()


def read_environment(source: Mapping[str, str]) -> Environment:
    """The checked settings of `source`; a SWARM_ name wins over its seed name.

    Raises: WrongSettingError naming the variable, its value and the rule it breaks.
    """
    values: dict[str, object] = {}
    for variable in VARIABLES:
        name = variable.name
        if name not in source and variable.seed_name in source:
            name = variable.seed_name
        text = source.get(name, "").strip() or variable.default
        try:
            values[variable.name] = variable.parse(text)
        except ValueError as error:
            shown = CREDENTIALS_PATTERN.sub("[hidden]@", text)
            raise WrongSettingError(f"{name}={shown!r}: {error}") from None
    environment = Environment(values)
    check_together(environment)
    return environment


def check_together(environment: Environment) -> None:
    """Raises WrongSettingError for values that are right alone but unsafe together."""
    is_local = environment.text("SWARM_HOST") in {"127.0.0.1", "::1", "localhost"}
    if environment.flag("SWARM_DEBUG") and not is_local:
        raise WrongSettingError("SWARM_DEBUG=1: refused unless SWARM_HOST is a loopback address")
    secret = environment.text("SWARM_SECRET_KEY")
    if secret and len(secret) < MINIMUM_SECRET_LENGTH:
        raise WrongSettingError(
            f"SWARM_SECRET_KEY: must have {MINIMUM_SECRET_LENGTH} characters or more"
        )


def load_secret_key(environment: Environment) -> str:
    """The signing key: the variable, else the file in the var folder, made once with mode 600."""
    given = environment.text("SWARM_SECRET_KEY")
    if given:
        return given
    path = environment.var_dir / "secret_key"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(48))
    return path.read_text().strip()


def describe_database(environment: Environment) -> dict[str, object]:
    """Django's settings of the default database for DATABASE_URL."""
    url = environment.text("DATABASE_URL")
    parts = urlsplit(url)
    if not url or parts.scheme == "sqlite":
        path = environment.var_dir / "streamswarm.sqlite3"
        if url:
            path = Path("/", unquote(parts.path).lstrip("/"))
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(path),
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                "PRAGMA mmap_size=134217728; PRAGMA cache_size=-20000;",
            },
            "CONN_MAX_AGE": 600,
            "TEST": {"NAME": str(path.with_suffix(".test.sqlite3"))},
        }
    query = dict(item.split("=", 1) for item in parts.query.split("&") if "=" in item)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(query.pop("host", "") or parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "OPTIONS": {key: unquote(value) for key, value in query.items()},
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
    }


def locate_redis(environment: Environment) -> str:
    """The Redis URL: REDIS_URL, else the embedded server's unix socket."""
    return environment.text("REDIS_URL") or f"unix://{environment.var_dir}/redis/redis.sock"


def broker_url(redis_url: str) -> str:
    """The same server in kombu's spelling, which calls a socket `redis+socket://`."""
    return redis_url.replace("unix://", "redis+socket://", 1)
