"""How much room exports may take."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from apps.configuration.selectors import read_whole
from apps.core.errors import StreamSwarmError
from apps.core.storage_state import measure_free_megabytes
from apps.reports.writers.export_files import find_folder, measure_folder_bytes

BYTES_PER_MEGABYTE = 1_000_000
FULL = {errno.ENOSPC, errno.EDQUOT}


class NoRoomForExport(StreamSwarmError):
    """The exports that are kept take all the room that exports may take."""

    http_status = 409


def check_room() -> None:
    """Raises: NoRoomForExport when the quota is used up, or the disk nearly full."""
    most_megabytes = read_whole("export_quota_megabytes")
    used_megabytes = measure_folder_bytes() / BYTES_PER_MEGABYTE
    if used_megabytes >= most_megabytes:
        raise NoRoomForExport(
            "export_quota",
            f"Exports may take {most_megabytes} MB and take {used_megabytes:.0f} MB; "
            "delete some, or ask for less.",
        )
    folder = find_folder()
    free_megabytes = measure_free_megabytes(folder if folder.exists() else folder.parent)
    # The database, which may be on this disk as well, is to be in need long after exports are.
    least_megabytes = 2 * settings.SWARM_LEAST_FREE_MEGABYTES
    if free_megabytes is not None and free_megabytes < least_megabytes:
        raise NoRoomForExport(
            "export_disk_full",
            f"Only {free_megabytes:.0f} MB are free on the disk of exports, "
            f"less than the {least_megabytes} MB that are left to others.",
        )


@contextmanager
def notice_full_disk() -> Iterator[None]:
    """Others may fill the disk between two looks at it. Raises: NoRoomForExport for that."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise NoRoomForExport(
            "export_disk_full", "The disk of exports became full while the file was written."
        ) from error
