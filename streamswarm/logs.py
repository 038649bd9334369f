"""Structured logs: an event name plus fields, as text for people or JSON for machines."""

import re
from collections.abc import MutableMapping
from typing import Any

import structlog

# Agent keys, API tokens and one-time codes must never reach a log line.
SECRET_PATTERN = re.compile(r"\b(Agent|Bearer)\s+[\w.\-]+|\b[0-9a-z]{8}\.[\w\-]{43}\b")

# Line feeds are left to the renderer of text; JSON escapes them all by itself.
CONTROL_PATTERN = re.compile(
    "[\\x00-\\x09\\x0b-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)


def hide_secrets(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The event with everything that looks like a key replaced."""
    for name, value in event.items():
        if isinstance(value, str | list | tuple | dict) and SECRET_PATTERN.search(str(value)):
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


def describe_logging(*, level: str, is_json: bool) -> dict[str, Any]:
    """The `logging.dictConfig` of every process of the server."""
    text_renderer = structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])
    renderers = (
        [structlog.processors.JSONRenderer()] if is_json else [escape_controls, text_renderer]
    )
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
        "handlers": {"stdout": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stdout"], "level": level},
        "loggers": {
            "django_structlog": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            "django_celery_beat": {"level": "WARNING"},
        },
    }
