"""Clients that go on sending whatever happens to the server, and what must then be stored."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from tests.factories import wire
from tests.faults.oracle import Verdict
from tests.faults.sending import Sender, issue_keys
from tests.servers.stack import Stack
from tests.servers.waiting import wait_until

SENDERS = 6
FRAMES_PER_BATCH = 4
START_SECONDS = 120
TAKEN_BETWEEN_STEPS = 10
RETRY_SECONDS = 0.2

Records = list[dict[str, Any]]


def make_live_frames() -> tuple[Records, Records]:
    return [wire.frame() for _ in range(FRAMES_PER_BATCH)], []


@dataclass(slots=True)
class Uploads:
    """Senders of batches, each sent again until it is taken.

    `make_records` gives a batch's records that must be stored, and those too old to be.
    """

    base_url: str
    keys: list[tuple[str, str]]
    make_records: Callable[[], tuple[Records, Records]]
    statuses: Counter[int] = field(default_factory=Counter)
    taken: dict[str, Records] = field(default_factory=dict)
    expired: int = 0
    is_over: threading.Event = field(default_factory=threading.Event)

    @property
    def count(self) -> int:
        return sum(map(len, self.taken.values()))

    def send_on(self, client_id: str, key: str) -> int:
        """How many records were refused as too old."""
        records = self.taken.setdefault(client_id, [])
        expired_count = 0
        with httpx.Client(base_url=self.base_url, timeout=START_SECONDS, trust_env=False) as http:
            sender = Sender(client_id, key, http)
            while not self.is_over.is_set():
                good, expired = self.make_records()
                answer = self.deliver(sender, [*good, *expired])
                codes = wire.codes(answer)
                assert codes == {record["id"]: "too_old" for record in expired}, codes
                records.extend(good)
                expired_count += len(expired)
        return expired_count

    def deliver(self, sender: Sender, records: Records) -> dict[str, Any]:
        """The answer to the batch once it is taken."""
        body = wire.batch(*records)
        while True:
            try:
                answer = sender.post(body)
            except httpx.TransportError:
                # The server is being started anew.
                self.is_over.wait(RETRY_SECONDS)
                continue
            self.statuses[answer.status_code] += 1
            if answer.status_code == httpx.codes.OK:
                document: dict[str, Any] = answer.json()
                return document
            assert int(answer.headers["Retry-After"]) >= 1, answer.text
            threading.Event().wait(RETRY_SECONDS)


@contextmanager
def keep_uploading(
    stack: Stack, make_records: Callable[[], tuple[Records, Records]] = make_live_frames
) -> Iterator[Uploads]:
    """Uploads that go on during the block; what failed in a sender's thread is raised after it."""
    keys = issue_keys(stack, SENDERS, f"upload-{uuid4()}")
    uploads = Uploads(stack.base_url, keys, make_records)
    with ThreadPoolExecutor(SENDERS) as pool:
        running = [pool.submit(uploads.send_on, *pair) for pair in keys]
        try:
            wait_for_uploads(uploads)
            yield uploads
        finally:
            uploads.is_over.set()
        uploads.expired = sum(sending.result() for sending in running)


def wait_for_uploads(uploads: Uploads) -> None:
    """Returns when some more records were taken."""
    goal = uploads.count + TAKEN_BETWEEN_STEPS
    wait_until(lambda: uploads.count >= goal, seconds=START_SECONDS, what="uploads")


def judge_uploads(stack: Stack, uploads: Uploads) -> list[Verdict]:
    """The verdict on each sender."""
    with httpx.Client() as http:
        return [
            Sender(client_id, key, http).judge(stack, uploads.taken[client_id])
            for client_id, key in uploads.keys
        ]
