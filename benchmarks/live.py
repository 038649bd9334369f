"""From the measurement to the browser: how old is a sample when the page has it?

A real agent measures loopback every half second; a page of the test is open in headless Chromium,
and the arrival of every message of its socket is compared with the moment its samples were
measured. Agent, server and browser share one machine and so one clock.

    python -m benchmarks.live [--seconds 60]
"""

import argparse
import json
import statistics
import time
from typing import Any

from playwright.sync_api import WebSocket

from benchmarks.measuring.report import Claim, finish, print_table
from tests.browser.visitor import run_browser, visit
from tests.flows.api_user import NAME, PASSWORD, become_admin
from tests.servers.stack import run_stack

GOAL_SECONDS = 1.0
LEAST_SAMPLES = 20


class Ages:
    """The age in seconds of each sample on its arrival, in the order of arrival."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def watch(self, socket: WebSocket) -> None:
        socket.on("framereceived", self.take)

    def take(self, payload: Any) -> None:
        arrived_at = time.time()
        for frame in json.loads(payload).get("frames", ()):
            if frame["source"] == "assignment":
                self.seconds.append(arrived_at - frame["at"])


def measure(seconds: float) -> list[float]:
    ages = Ages()
    with run_stack("sqlite", with_agent=True) as stack, run_browser() as browser:
        admin = become_admin(stack)
        client = admin.get("clients/")["results"][0]
        test = admin.create_test("Loopback", client["id"], duration_seconds=20)
        with visit(browser, stack.base_url) as visitor:
            visitor.page.on("websocket", ages.watch)
            visitor.open("/accounts/login/")
            visitor.page.fill("[name=login]", NAME)
            visitor.page.fill("[name=password]", PASSWORD)
            visitor.page.press("[name=password]", "Enter")
            visitor.page.wait_for_url(f"{stack.base_url}/")
            visitor.open(f"/tests/{test['id']}/")
            visitor.page.wait_for_timeout(seconds * 1000)
    return ages.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description="Age of samples when the browser has them.")
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    ages = measure(arguments.seconds)
    if len(ages) < LEAST_SAMPLES:
        raise SystemExit(f"only {len(ages)} samples reached the browser; at least 20 are needed")
    deciles = statistics.quantiles(ages, n=20)
    figures = {
        "samples": len(ages),
        "median s": f"{statistics.median(ages):.3f}",
        "p95 s": f"{deciles[18]:.3f}",
        "oldest s": f"{max(ages):.3f}",
    }
    print_table(("figure", "seen"), list(figures.items()))
    finish(
        Claim(
            claim="median age of a sample when the browser has it",
            value=round(statistics.median(ages), 3),
            unit="s",
            goal=GOAL_SECONDS,
            better="lower",
            beside={"p95_seconds": round(deciles[18], 3), "samples": len(ages)},
        )
    )


if __name__ == "__main__":
    main()
