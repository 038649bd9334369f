LATE_AFTER_HEARTBEATS = 1.5
OFFLINE_AFTER_HEARTBEATS = 3


def judge_presence(*, silence_seconds: float, heartbeat_seconds: float) -> str:
    """`online`, `late` after 1.5 missed heartbeats, `offline` after 3."""
    if silence_seconds > OFFLINE_AFTER_HEARTBEATS * heartbeat_seconds:
        return "offline"
    if silence_seconds > LATE_AFTER_HEARTBEATS * heartbeat_seconds:
        return "late"
    return "online"
