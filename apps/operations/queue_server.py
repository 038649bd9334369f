"""One look at Redis, which answers at once or is away."""

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

TIMEOUT_SECONDS = 1.0


def open_redis(url: str = "") -> Redis:
    """A client that never tries twice: by default it would for some twelve seconds."""
    return Redis.from_url(
        url or settings.REDIS_URL,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
