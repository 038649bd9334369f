"""Processor seconds of whole process trees."""

import psutil


def read_tree_seconds(process_ids: list[int]) -> float:
    """User and system seconds used so far by the processes and all their children."""
    seconds = 0.0
    for process_id in process_ids:
        root = psutil.Process(process_id)
        for process in (root, *root.children(recursive=True)):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds
