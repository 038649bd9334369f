from types import SimpleNamespace

import pytest

from streamswarm_agent.collectors.filesystem import FilesystemCollector, list_mounts


def mount(device, mountpoint, fstype="ext4", opts="rw,relatime"):
    return SimpleNamespace(device=device, mountpoint=mountpoint, fstype=fstype, opts=opts)


def mounts_of(physical, everything=()):
    return [
        found.mountpoint
        for found in list_mounts(
            lambda is_all: everything if is_all else physical,
            lambda path: not path.startswith("/etc"),
        )
    ]


@pytest.fixture
def collector():
    return FilesystemCollector(
        read_mounts=lambda: [mount("/dev/sda1", "/")],
        read_usage=lambda _: SimpleNamespace(total=1000, used=450, free=450),
        read_statvfs=lambda _: SimpleNamespace(f_files=200, f_ffree=150),
    )


def test_space_is_counted_as_df_counts_it(collector, collect):
    frame = collect(collector)["/"]
    assert frame.values == {
        "system.filesystem.utilization": 0.5,
        "system.filesystem.usage": 450,
        "system.filesystem.limit": 1000,
        "system.filesystem.inodes.utilization": 0.25,
        "system.filesystem.read_only": 0,
    }


def test_type_and_device_are_facts(collector):
    facts = {(fact.subject, fact.key): fact.value for fact in collector.collect().facts}
    assert facts == {
        ("/", "system.filesystem.type"): "ext4",
        ("/", "system.filesystem.device"): "/dev/sda1",
    }


def test_a_file_system_that_cannot_be_asked_is_unsupported_the_others_stay(collect):
    def usage(path):
        if path == "/broken":
            raise OSError(5, "Input/output error")
        return SimpleNamespace(total=1000, used=450, free=450)

    collector = FilesystemCollector(
        lambda: [mount("/dev/sda1", "/"), mount("/dev/sdb1", "/broken", opts="ro")],
        usage,
        lambda _: SimpleNamespace(f_files=0, f_ffree=0),
    )
    frames = collect(collector)
    assert frames["/broken"].absent["system.filesystem.utilization"] == "U"
    assert frames["/broken"].values["system.filesystem.read_only"] == 1
    assert frames["/"].values["system.filesystem.utilization"] == 0.5


def test_a_file_system_without_inodes_has_no_share_of_them(collect):
    collector = FilesystemCollector(
        lambda: [mount("/dev/sda1", "/boot/efi", "vfat")],
        lambda _: SimpleNamespace(total=10, used=1, free=9),
        lambda _: SimpleNamespace(f_files=0, f_ffree=0),
    )
    frame = collect(collector)["/boot/efi"]
    assert frame.absent == {"system.filesystem.inodes.utilization": "N"}


def test_each_device_counts_once_at_its_shortest_mount_point():
    physical = [mount("/dev/sda1", "/var/lib/docker/volumes"), mount("/dev/sda1", "/data")]
    assert mounts_of(physical) == ["/data"]


def test_the_root_of_a_container_counts_whatever_its_type():
    everything = [
        mount("overlay", "/", "overlay"),
        mount("proc", "/proc", "proc"),
        mount("overlay", "/var/lib/docker/overlay2/x/merged", "overlay"),
    ]
    assert mounts_of([mount("/dev/sda1", "/etc/hosts")], everything) == ["/"]


def test_images_that_are_always_full_and_servers_that_may_hang_are_left_out():
    physical = [
        mount("/dev/sda1", "/"),
        mount("/dev/loop1", "/snap/core/1", "squashfs"),
        mount("/dev/sr0", "/cdrom", "iso9660"),
        mount("server:/share", "/mnt", "nfs4"),
    ]
    assert mounts_of(physical, physical[:1]) == ["/"]


def test_there_are_never_more_than_64():
    assert len(mounts_of([mount(f"/dev/sd{n}", f"/m{n}") for n in range(100)])) == 64


def test_the_real_mounts_are_read(collect):
    for frame in collect(FilesystemCollector()).values():
        assert 0 <= frame.values["system.filesystem.utilization"] <= 1
