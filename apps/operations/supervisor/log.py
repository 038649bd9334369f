"""One log of everything: each line has its time and the name of the child that wrote it."""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

LOG_NAME = "streamswarm.log"
MEGABYTE = 1_000_000
PRIVATE_MODE = 0o600
LONGEST_LINE_BYTES = 64 * 1024

Report = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class LogFile:
    """Where the log goes, how large a file of it gets, and how many older files are kept."""

    path: Path
    max_megabytes: int = 10
    keep: int = 5


class RotatedFile(RotatingFileHandler):
    """The one that rotates: everybody else's lines come through it, or are appended by name."""

    def _open(self) -> TextIOWrapper:
        stream = super()._open()
        Path(self.baseFilename).chmod(PRIVATE_MODE)
        return stream


def open_log(file: LogFile, screen: TextIO) -> Report:
    """A function that writes (name, line) to `screen` and to the file, rotated by size."""
    file.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    formatter = logging.Formatter("%(asctime)s %(child)-8s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    file_handler = RotatedFile(
        file.path, maxBytes=file.max_megabytes * MEGABYTE, backupCount=file.keep
    )
    logger = logging.Logger("supervisor")  # noqa: LOG001 - private: not Django's to configure
    for handler in (logging.StreamHandler(screen), file_handler):
        handler.setFormatter(formatter)
        logger.addHandler(handler)

    def report(name: str, line: str) -> None:
        logger.info("%s", line, extra={"child": name})

    return report


async def report_lines(descriptor: int, name: str, report: Report) -> None:
    """Reports every line that arrives on a pipe until its last writer closes it."""
    reader = asyncio.StreamReader(limit=LONGEST_LINE_BYTES)
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    try:
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                report(name, f"(a line of more than {LONGEST_LINE_BYTES} bytes was left out)")
                continue
            if not line:
                return
            report(name, line.decode(errors="replace").rstrip())
    finally:
        transport.close()
