"""The keys that agents of this process call with, asked about again all together."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from apps.clients.services import KeyHolder, digest_secret, find_holders, identify_key
from apps.core.clock import read_now

# A revoked key may live on for this long in a process that has just seen it.
CHECK_SECONDS = 2.0
# For as long while one thread is asking; later each asks for itself. Both stay below 5 s.
LONGEST_TRUST_SECONDS = 4.0
# Agents call every 10 s; the key of one that has gone away is not asked about for ever.
FORGET_SECONDS = 60.0


@dataclass(slots=True)
class KnownKey:
    """A key that was valid, and when it was used last."""

    prefix: str
    holder: KeyHolder
    used_at_seconds: float


class KnownKeys:
    """Whose the keys in use are: one query every 2 seconds instead of one for each call.

    Every key in use is read again, so that nobody who changes keys need say so.
    """

    def __init__(self, read_seconds: Callable[[], float] = time.monotonic) -> None:
        self._read_seconds = read_seconds
        # By their digests, as in the database.
        self._known: dict[str, KnownKey] = {}
        self._checked_at_seconds = float("-inf")
        self._checking = threading.Lock()

    def identify(self, secret: str) -> KeyHolder:
        """As `identify_key`, by what was true at most 4 seconds ago."""
        now = self._read_seconds()
        if now - self._checked_at_seconds >= CHECK_SECONDS and self._checking.acquire(
            blocking=False
        ):
            try:
                self._check(now)
            finally:
                self._checking.release()
        known = self._known.get(digest_secret(secret))
        is_fresh = now - self._checked_at_seconds < LONGEST_TRUST_SECONDS
        if known is not None and is_fresh and known.holder.is_valid(read_now()):
            known.used_at_seconds = now
            return known.holder
        holder = identify_key(secret)
        self._known[holder.digest] = KnownKey(secret.partition(".")[0], holder, now)
        return holder

    def forget(self) -> None:
        """Begin anew, as after a start."""
        self._known = {}
        self._checked_at_seconds = float("-inf")

    def _check(self, now: float) -> None:
        """Read the keys in use again; one that is not as it was is left to `identify_key`."""
        known = dict(self._known)
        found = find_holders([one.prefix for one in known.values()])
        for digest, one in known.items():
            holder = found.get(one.prefix)
            is_idle = now - one.used_at_seconds > FORGET_SECONDS
            if is_idle or holder is None or holder.digest != digest:
                self._known.pop(digest, None)
            else:
                one.holder = holder
        self._checked_at_seconds = now


KNOWN_KEYS = KnownKeys()
