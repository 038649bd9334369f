"""Structured logs: an event name plus fields, as text for people or JSON for machines."""

import io
import os
import re
from collections.abc import MutableMapping
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

import structlog

# Agent keys, API tokens and one-time codes must never reach a log line.
# In this order: a header; an agent key; a JWT; 32 random bytes as base64, as in the links of
# invitations; a setup code; an encrypted setting; a password inside an address.
SECRET_PATTERN = re.compile(
    r"\b(?:Agent|Bearer)\s+[\w.\-]+"
    r"|\b[0-9a-z]{8}\.[\w\-]{43}\b"
    r"|\beyJ[\w\-]+\.[\w\-]+\.[\w\-]+"
    r"|(?<![\w\-])[\w\-]{43}(?![\w\-])"
    r"|\b(?:[A-Z2-9]{4}-){3}[A-Z2-9]{4}\b"
    r"|\bgAAAAA[\w\-]{50,}={0,2}"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
)
SECRET_NAMES = frozenset({"password", "secret", "token", "authorization", "cookie", "api_key"})

# Line feeds are left to the renderer of text; JSON escapes them all by itself.
CONTROL_PATTERN = re.compile(
    "[\\x00-\\x09\\x0b-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)


def hide_secrets(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The event with everything that looks like a key replaced."""
    for name, value in event.items():
        if name.lower() in SECRET_NAMES and value:
            event[name] = "[hidden]"
        elif isinstance(value, str | list | tuple | dict) and SECRET_PATTERN.search(str(value)):
            event[name] = SECRET_PATTERN.sub("[hidden]", str(value))
    return event


def escape_controls(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The event with nothing in its text that moves a terminal's cursor or ends a line."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = CONTROL_PATTERN.sub(lambda found: f"\\u{ord(found[0]):04x}", value)
    return event


class SharedFileHandler(WatchedFileHandler):
    """Appends each event by one write, to the file that has the name now."""

    def _open(self) -> io.TextIOWrapper:
        path = Path(self.baseFilename)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        raw: Any = io.FileIO(descriptor, "a")
        # Unbuffered below: lines of two processes must not mix, however long they are.
        return io.TextIOWrapper(
            raw, encoding="utf-8", errors="backslashreplace", write_through=True
        )


SHARED_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    hide_secrets,
]

STRUCTLOG: dict[str, Any] = {
    "processors": [
        structlog.stdlib.filter_by_level,
        *SHARED_PROCESSORS,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    "logger_factory": structlog.stdlib.LoggerFactory(),
    "cache_logger_on_first_use": True,
}


def describe_logging(*, level: str, is_json: bool, file: Path | None = None) -> dict[str, Any]:
    """The `logging.dictConfig` of every process of the server.

    `file` gets the lines as well, each appended by one write and never rotated here: several
    processes may share it, and when another renames it they go on in a new one.
    """
    text_renderer = structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])
    renderers = (
        [structlog.processors.JSONRenderer()] if is_json else [escape_controls, text_renderer]
    )
    handlers: dict[str, dict[str, Any]] = {
        "stdout": {"class": "logging.StreamHandler", "formatter": "structured"}
    }
    if file is not None:
        handlers["file"] = {
            "class": "streamswarm.logs.SharedFileHandler",
            "filename": str(file),
            "encoding": "utf-8",
            "formatter": "structured",
        }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *renderers,
                ],
                "foreign_pre_chain": SHARED_PROCESSORS,
            }
        },
        "handlers": handlers,
        "root": {"handlers": list(handlers), "level": level},
        "loggers": {
            "django_structlog": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            "django_celery_beat": {"level": "WARNING"},
        },
    }
