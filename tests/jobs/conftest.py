import pytest

from apps.jobs.services import enqueueing


@pytest.fixture
def woken(monkeypatch):
    """The queues that a worker was woken for."""
    queues = []
    monkeypatch.setattr(enqueueing, "wake_worker", lambda _task, queue: queues.append(queue))
    return queues
