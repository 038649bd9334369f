from typing import ClassVar

from apps.ml.diagnosis.case import Case, Disk, FileSystem
from apps.ml.diagnosis.judgement import (
    Cleared,
    Evidence,
    Judgement,
    Layer,
    NotJudged,
    Priority,
    Symptom,
    Verdict,
)
from apps.ml.diagnosis.wording import say_ratio

FULL_RATIO = 0.95
DAYS_LEFT = 14.0
USED = "system.filesystem.utilization"


class DiskFailing:
    """A disk of the host is full, is about to be, or is breaking."""

    cause: ClassVar = "disk"
    title: ClassVar = "Disk full or failing"
    layer: ClassVar = Layer.HOST

    def judge(self, case: Case) -> Judgement:
        if not case.file_systems and not case.disks:
            return NotJudged(self.cause, "the agent sends no figures of file systems or disks")
        broken = [evidence for disk in case.disks if (evidence := say_broken(disk))]
        full = [evidence for one in case.file_systems if (evidence := say_full(one))]
        if not broken and not full:
            return Cleared(self.cause)
        is_full_now = any(
            one.utilization_ratio >= FULL_RATIO or one.is_read_only for one in case.file_systems
        )
        advice = []
        if broken:
            advice.append("Save what is on the disk and replace it.")
        if full:
            advice.append("Free space or enlarge the file system.")
        return Verdict(
            cause=self.cause,
            layer=self.layer,
            confidence=0.95 if broken or is_full_now else 0.8,
            evidence=(*broken, *full),
            recommendation=" ".join(advice),
            explains=frozenset({Symptom.SILENCE}) if is_full_now else frozenset(),
            priority=Priority.NOW if broken or is_full_now else Priority.TODAY,
        )


def say_full(one: FileSystem) -> Evidence | None:
    if one.is_read_only:
        return Evidence(f"{one.mount} became read-only.", USED, one.utilization_ratio)
    if one.utilization_ratio >= FULL_RATIO:
        sentence = f"{one.mount} is used to {say_ratio(one.utilization_ratio)}."
        return Evidence(sentence, USED, one.utilization_ratio)
    if one.days_left is not None and one.days_left < DAYS_LEFT:
        days = round(one.days_left)
        sentence = f"{one.mount} will be full in {days} {'day' if days == 1 else 'days'}."
        return Evidence(sentence, USED, one.utilization_ratio)
    return None


def say_broken(disk: Disk) -> Evidence | None:
    if disk.is_passed is False:
        return Evidence(f"{disk.name} fails its own SMART check.")
    if disk.bad_sector_rise > 0:
        sentence = (
            f"{disk.name} has {disk.bad_sector_count:.0f} bad sectors, "
            f"{disk.bad_sector_rise:.0f} more than before."
        )
        return Evidence(sentence, "hw.physical_disk.reallocated_sectors", disk.bad_sector_count)
    return None
