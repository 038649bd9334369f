"""Starting the program that prints, and keeping it within its limits."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass

import structlog
from django.conf import settings

from apps.reports.errors import PrintingFailed

logger = structlog.get_logger(__name__)

PROGRAM = "apps.reports.printing"
LONGEST_SECONDS = 180.0
CPU_SECONDS = 120
# Of address space, of which a large report touches a third.
MEMORY_BYTES = 1_200 * 2**20
LARGEST_PDF_BYTES = 40 * 2**20
LAST_WORDS = 500


@dataclass(frozen=True, slots=True)
class Limits:
    """What one printing may use."""

    memory_bytes: int = MEMORY_BYTES
    cpu_seconds: int = CPU_SECONDS
    seconds: float = LONGEST_SECONDS


@dataclass(frozen=True, slots=True)
class Printed:
    content: bytes
    pages: int


def print_html(html: str, limits: Limits | None = None) -> Printed:
    """The PDF of the document, made by a process of its own.

    Raises: PrintingFailed when it takes too long, wants too much, or the document is faulty.
    """
    allowed = limits or Limits()
    command = [sys.executable, "-m", PROGRAM, str(allowed.memory_bytes), str(allowed.cpu_seconds)]
    with tempfile.TemporaryDirectory(prefix="swarm-print-") as folder:
        try:
            done = subprocess.run(  # noqa: S603 - our own program, without a shell
                command,
                input=html.encode("utf-8", "replace"),
                capture_output=True,
                timeout=allowed.seconds,
                check=False,
                cwd=settings.BASE_DIR,
                env=describe_surroundings(folder),
            )
        except subprocess.TimeoutExpired:
            raise PrintingFailed(f"Printing took longer than {allowed.seconds:g} s.") from None
    if done.returncode:
        # Its words may hold what agents named things, so they stay in the log.
        logger.warning(
            "printing_failed",
            status=done.returncode,
            words=done.stderr.decode(errors="replace")[-LAST_WORDS:],
        )
        raise PrintingFailed(explain_status(done.returncode))
    head, _line, content = done.stdout.partition(b"\n")
    if len(content) > LARGEST_PDF_BYTES:
        raise PrintingFailed(
            f"The report has {len(content)} bytes; {LARGEST_PDF_BYTES} are kept at most."
        )
    return Printed(content, int(json.loads(head)["pages"]))


def describe_surroundings(folder: str) -> dict[str, str]:
    """The environment of the program: none of the server's secrets, and a home that goes away."""
    return {
        "PATH": os.defpath,
        "HOME": folder,
        "TMPDIR": folder,
        "XDG_CACHE_HOME": folder,
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def explain_status(status: int) -> str:
    """What the end of the program means."""
    if status < 0:
        return "Printing was ended by the system: it wanted more time or memory than it may use."
    return "The document could not be printed; the log of the worker has the reason."
