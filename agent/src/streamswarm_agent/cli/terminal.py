"""The keyboard and the size of a terminal, without waiting for a line."""

import os
import re
import select
import signal
import sys
from types import FrameType, TracebackType
from typing import Self

from streamswarm_agent.errors import AgentError

LONGEST_READ_BYTES = 256
SEQUENCE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|O.|.)?")


class Terminal:
    """Keys as they are pressed, and a wake-up when the window changes its size.

    A context: on leaving, the terminal is as it was.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pending = ""

    def __enter__(self) -> Self:
        if sys.platform == "win32":
            raise AgentError("watch needs a POSIX terminal; --once prints one frame as text")
        import termios
        import tty

        self._former = termios.tcgetattr(self._descriptor)
        self._wake_end, self._signal_end = os.pipe()
        os.set_blocking(self._signal_end, False)
        self._former_handler = signal.signal(signal.SIGWINCH, self._wake)
        self._stop_handlers = {
            number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)
        }
        tty.setcbreak(self._descriptor)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if sys.platform == "win32":
            return
        import termios

        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._former)
        signal.signal(signal.SIGWINCH, self._former_handler)
        for number, handler in self._stop_handlers.items():
            signal.signal(number, handler)
        os.close(self._wake_end)
        os.close(self._signal_end)

    def wait(self, timeout_seconds: float) -> str:
        """The next key; empty after the time or when the size changed; `q` when input ended."""
        if self._pending:
            return self._take_pending()
        ready, _, _ = select.select(
            [self._descriptor, self._wake_end], [], [], max(timeout_seconds, 0.0)
        )
        if self._wake_end in ready:
            os.read(self._wake_end, 1024)
        if self._descriptor not in ready:
            return ""
        pressed = os.read(self._descriptor, LONGEST_READ_BYTES)
        # A key with a name of several bytes (an arrow) is none of ours.
        self._pending += SEQUENCE.sub("", pressed.decode("ascii", "replace")) if pressed else "q"
        return self._take_pending()

    def _take_pending(self) -> str:
        key, self._pending = self._pending[:1], self._pending[1:]
        return key

    def _wake(self, _number: int, _frame: FrameType | None) -> None:
        try:
            os.write(self._signal_end, b"w")
        except BlockingIOError:
            # There is a wake-up in the pipe already.
            return


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
