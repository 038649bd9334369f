"""What waits to be sent to one browser: merged, bounded, numbered."""

from typing import Any

MAXIMUM_FRAMES = 400


class Outbox:
    """Hints and frames between two sendings. Not thread-safe.

    Every batch has the next number. When frames had to be dropped, because they came faster than
    they were taken, a number is left out, and the page, seeing the gap, fetches anew: so the older
    ones go, and what is kept are the latest.
    """

    def __init__(self, maximum_frames: int = MAXIMUM_FRAMES) -> None:
        self._maximum_frames = maximum_frames
        self._hints: dict[str, None] = {}
        self._frames: list[dict[str, Any]] = []
        self._sequence = 0
        self._is_overfull = False

    def add(self, message: dict[str, Any]) -> None:
        """Take in a message of the layer: `hint` names a changed topic, `frames` hold values."""
        if "hint" in message:
            self._hints[message["hint"]] = None
        frames = message.get("frames", [])
        if len(self._frames) + len(frames) > self._maximum_frames:
            self._is_overfull = True
            self._frames = []
        self._frames.extend(frames[-self._maximum_frames :])

    def take(self) -> dict[str, Any]:
        """The next batch, which may be empty: then it only says that the line is alive."""
        self._sequence += 2 if self._is_overfull else 1
        batch: dict[str, Any] = {"seq": self._sequence}
        if self._hints:
            batch["hints"] = list(self._hints)
        if self._frames:
            batch["frames"] = self._frames
        self._hints, self._frames, self._is_overfull = {}, [], False
        return batch
