"""The `filesystem` collector: how full each file system is."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import psutil

from streamswarm_agent.collectors.base import CollectedFact, CollectedFrame, Collection
from streamswarm_agent.collectors.measures import (
    Measure,
    frame_of,
    read_if_supported,
    share_of,
)

MAX_FILE_SYSTEMS = 64
ALWAYS_FULL = frozenset({"squashfs", "iso9660", "udf", "cramfs", "erofs"})
NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "9p", "fuse.sshfs"})
"""Asking one of these for its size blocks for as long as its server is away."""


def list_mounts(
    read_partitions: Callable[[bool], Sequence[Any]] = lambda is_all: psutil.disk_partitions(
        all=is_all
    ),
    is_directory: Callable[[str], bool] = lambda path: Path(path).is_dir(),
) -> list[Any]:
    """The mounts of real, local file systems, one for each device, its shortest mount point.

    The root counts whatever its type (an overlay in containers); read-only images, network file
    systems and files mounted over files do not.
    """
    physical = read_partitions(False)
    root = [mount for mount in read_partitions(True) if mount.mountpoint == "/"]
    by_device: dict[str, Any] = {}
    for mount in sorted([*root, *physical], key=lambda mount: len(mount.mountpoint)):
        is_skipped = mount.fstype in ALWAYS_FULL | NETWORK and mount.mountpoint != "/"
        if not is_skipped and is_directory(mount.mountpoint):
            by_device.setdefault(mount.device, mount)
    return list(by_device.values())[:MAX_FILE_SYSTEMS]


def read_statvfs(path: str) -> os.statvfs_result:
    """As `os.statvfs`, looked up late since Windows has none."""
    return os.statvfs(path)


class FilesystemCollector:
    """One frame for each mount point: bytes, shares 0 to 1 as `df` counts them, 1 for read-only.

    Facts: type and device. A file system that cannot be asked gives U, one without inodes N.
    """

    name: ClassVar[str] = "filesystem"

    def __init__(
        self,
        read_mounts: Callable[[], Sequence[Any]] = list_mounts,
        read_usage: Callable[[str], Any] = psutil.disk_usage,
        read_statvfs: Callable[[str], Any] = read_statvfs,
    ) -> None:
        self._read_mounts = read_mounts
        self._read_usage = read_usage
        self._read_statvfs = read_statvfs

    def collect(self) -> Collection:
        """One pass over all mounts."""
        mounts = self._read_mounts()
        facts = [
            CollectedFact("filesystem", mount.mountpoint, key, value)
            for mount in mounts
            for key, value in (
                ("system.filesystem.type", mount.fstype),
                ("system.filesystem.device", mount.device),
            )
        ]
        return Collection(tuple(self._measure(mount) for mount in mounts), tuple(facts))

    def _measure(self, mount: Any) -> CollectedFrame:
        usage = read_if_supported(lambda: self._read_usage(mount.mountpoint))
        measures: dict[str, Measure] = {
            "system.filesystem.utilization": "U",
            "system.filesystem.usage": "U",
            "system.filesystem.limit": "U",
        }
        if usage is not None:
            measures = {
                "system.filesystem.utilization": share_of(usage.used, usage.used + usage.free, "U"),
                "system.filesystem.usage": usage.used,
                "system.filesystem.limit": usage.total,
            }
        measures["system.filesystem.inodes.utilization"] = self._measure_inodes(mount.mountpoint)
        measures["system.filesystem.read_only"] = float("ro" in mount.opts.split(","))
        return frame_of("filesystem", mount.mountpoint, measures)

    def _measure_inodes(self, path: str) -> Measure:
        status = read_if_supported(lambda: self._read_statvfs(path))
        if status is None:
            return "U"
        return share_of(status.f_files - status.f_ffree, status.f_files, "N")
