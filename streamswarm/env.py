"""The environment, read once and checked; `VARIABLES` and docs/settings.md list all of it."""

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from apps.configuration.checking import find_disorder
from apps.configuration.definitions import BY_NAME, RISING
from streamswarm.env_file import EnvFileError, read_env_file
from streamswarm.parsing import (
    Variable,
    parse_file,
    parse_flag,
    parse_log_level,
    parse_networks,
    parse_seconds,
    parse_text,
    parse_time_zone,
    parse_url_of,
    parse_whole_number,
    parse_words,
)
from streamswarm.seeds import SEED_VARIABLES

BASE_DIR = Path(__file__).resolve().parent.parent

MINIMUM_SECRET_LENGTH = 32
CREDENTIALS_PATTERN = re.compile(r"(?<=//).*@")


Value = TypeVar("Value")


class WrongSettingError(ValueError):
    """An environment variable has a value that cannot be used; the message names both."""


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
        "SWARM_MODELS_DIR",
        "",
        parse_text,
        "Folder for trained models, shared by web and workers; ml_models in the var folder when"
        " empty.",
    ),
    Variable(
        "SWARM_ENV_FILE",
        ".env",
        parse_text,
        "File of further settings, such as this one; what the environment says wins over it.",
    ),
    Variable(
        "SWARM_ADMIN_PASSWORD",
        "",
        parse_text,
        "Password of the first user, `admin`, on a headless first start.",
        is_secret=True,
    ),
    Variable(
        "SWARM_SECRET_KEY",
        "",
        parse_text,
        "Signing key; made and kept in the var folder when empty.",
        is_secret=True,
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
        "SWARM_TRUSTED_PROXIES",
        "",
        parse_networks,
        "Networks of the proxies whose X-Forwarded-For is believed; nobody's when empty.",
    ),
    Variable(
        "SWARM_SESSION_IDLE_MINUTES",
        "30",
        parse_whole_number(1, 720),
        "Minutes without a page view or action after which a session ends.",
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
        "SWARM_LOG_FILE",
        "",
        parse_text,
        "File of the log; log/streamswarm.log in the var folder under `manage.py up` when empty.",
        "LOG_FILE",
    ),
    Variable(
        "SWARM_LOG_MAX_MEGABYTES",
        "10",
        parse_whole_number(1, 10_000),
        "Size at which `manage.py up` begins a new log file.",
    ),
    Variable("SWARM_LOG_KEEP", "5", parse_whole_number(1, 100), "Number of older log files kept."),
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
        "SWARM_ADMIN_TWO_FACTOR",
        "0",
        parse_flag,
        "Administrators must set up a second factor before anything else.",
    ),
    Variable(
        "SWARM_LEAST_FREE_MEGABYTES",
        "64",
        parse_whole_number(0, 1_000_000),
        "Free space on an SQLite database's disk below which uploads are refused; 0 turns it off.",
    ),
    Variable(
        "SWARM_ASN_TABLE",
        "",
        parse_file,
        "File of autonomous systems for the hops of traces, unpacked from iptoasn.com; none when"
        " empty.",
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
    *SEED_VARIABLES,
)


@dataclass(frozen=True, slots=True)
class Environment:
    """The checked values by variable name, and under which name each was given, if it was."""

    values: Mapping[str, object]
    given_names: Mapping[str, str]

    def text(self, name: str) -> str:
        return self._read(name, str)

    def words(self, name: str) -> tuple[str, ...]:
        return self._read(name, tuple)

    def pairs(self, name: str) -> tuple[tuple[str, str], ...]:
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

    @property
    def models_dir(self) -> Path:
        name = self.text("SWARM_MODELS_DIR")
        return (BASE_DIR / name).resolve() if name else self.var_dir / "ml_models"

    @property
    def log_file(self) -> Path | None:
        """The file this process adds its lines to; None: what started it collects them."""
        name = self.text("SWARM_LOG_FILE")
        return BASE_DIR / name if name else None


def read_environment(source: Mapping[str, str]) -> Environment:
    """The checked settings of `source`; a SWARM_ name wins over its seed name.

    Raises: WrongSettingError naming the variable, its value and the rule it breaks.
    """
    values: dict[str, object] = {}
    given_names: dict[str, str] = {}
    for variable in VARIABLES:
        name = choose_name(variable, source)
        given = source.get(name, "")
        text = given if variable.is_secret and given else given.strip() or variable.default
        try:
            values[variable.name] = variable.parse(text)
        except ValueError as error:
            shown = "[hidden]" if variable.is_secret else CREDENTIALS_PATTERN.sub("[hidden]@", text)
            raise WrongSettingError(f"{name}={shown!r}: {error}") from None
        given_names[variable.name] = name if given.strip() else ""
    environment = Environment(values, given_names)
    check_together(environment)
    return environment


def choose_name(variable: Variable, source: Mapping[str, str]) -> str:
    """The name under which `source` gives the variable; its own when it does not."""
    is_older = variable.name not in source and variable.seed_name in source
    return variable.seed_name if is_older else variable.name


def read_sources(real: Mapping[str, str]) -> Environment:
    """The checked settings of the environment and, below it, of the file it names.

    Raises: WrongSettingError naming the variable, its value and the rule it breaks, or the line of
    the file that cannot be read.
    """
    path = BASE_DIR / (real.get("SWARM_ENV_FILE", "").strip() or ".env")
    try:
        filed = read_env_file(path)
    except EnvFileError as error:
        raise WrongSettingError(str(error)) from None
    for variable in VARIABLES:
        names = {variable.name, variable.seed_name}
        if names & real.keys():
            for name in names:
                filed.pop(name, None)
    return read_environment({**filed, **real})


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
    kept_days = {name: environment.values[BY_NAME[name].variable] for name in RISING}
    if disorder := find_disorder(kept_days):
        name, rule = disorder
        raise WrongSettingError(f"{BY_NAME[name].variable}={kept_days[name]}: {rule}")


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


# For a PostgreSQL host that hangs or a line that swallows everything; the URL may say otherwise.
PATIENCE: Mapping[str, object] = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


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
        "OPTIONS": {**PATIENCE, **{key: unquote(value) for key, value in query.items()}},
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
    }


def locate_redis(environment: Environment) -> str:
    """The Redis URL: REDIS_URL, else the embedded server's unix socket."""
    return environment.text("REDIS_URL") or f"unix://{environment.var_dir}/redis/redis.sock"


def broker_url(redis_url: str) -> str:
    """The same server in kombu's spelling, which calls a socket `redis+socket://`."""
    return redis_url.replace("unix://", "redis+socket://", 1)
