"""Maintenance windows."""

from datetime import timedelta

from apps.clients.services import WindowDefinition, create_window
from apps.core.clock import read_now


def define_window(name="Router updates", **fields):
    """A window that began an hour ago and goes on for an hour, on every client."""
    return WindowDefinition(
        **{
            "name": name,
            "starts_at": read_now() - timedelta(hours=1),
            "duration_seconds": 7200,
            "time_zone": "Europe/Berlin",
            **fields,
        }
    )


def select(*, sites=(), tags=(), clients=()):
    ids = [str(client.id) for client in clients]
    return {"sites": list(sites), "tags": list(tags), "clients": ids}


def make_window(name="Router updates", **fields):
    return create_window(define_window(name, **fields))
