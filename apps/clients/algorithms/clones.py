"""Whether one key is used by two agents: every start of an agent names its boot anew."""

from collections.abc import Sequence
from dataclasses import dataclass

BOOTS_REMEMBERED = 16


@dataclass(frozen=True, slots=True)
class BootJudgement:
    """What a heartbeat's boot means beside those seen before."""

    earlier: list[str]
    has_come_back: bool


def judge_boot(*, newest: str, earlier: Sequence[str], boot_id: str) -> BootJudgement:
    """The boots before `boot_id`, newest first, at most 16, and whether it had ended before.

    An agent that starts anew never speaks with an earlier boot again, whatever its counter says;
    one that does is a second agent with the same key.
    """
    if boot_id == newest or not newest:
        return BootJudgement(list(earlier), has_come_back=False)
    others = [newest, *(boot for boot in earlier if boot not in {newest, boot_id})]
    return BootJudgement(others[:BOOTS_REMEMBERED], has_come_back=boot_id in earlier)
