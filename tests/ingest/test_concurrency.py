"""Uploads at the same moment: each record stored once, and answered as stored once."""

import pytest
from django.test import Client as Browser

from apps.core.clock import read_now
from apps.metrics.models import Fact, Frame, IngestBatch, Latest, Layout, Source
from apps.tests.models import Result
from tests.factories import wire
from tests.factories.clients import INVENTORY, make_client, make_enrolment, make_key
from tests.factories.tests import make_assignment, make_run
from tests.factories.threads import run_together

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 50


def count(answers, name):
    return sum(len(answer[name]) for answer in answers)


def test_the_same_batch_from_fifty_threads_is_stored_once():
    probe = make_client()
    key = make_key(probe)
    run = make_run(make_assignment(probe))
    body = wire.batch(
        *[wire.frame(id=f"f{n}", seq=n) for n in range(20)],
        wire.frame(id="other", source=("interface", "eth0")),
        wire.fact(id="fact"),
        wire.result(run.assignment_id, run=run.id),
    )
    answers = run_together(
        THREADS, lambda _number: wire.post(Browser(), "records", body, key).json()
    )
    assert count(answers, "stored") == 23
    assert count(answers, "duplicate") == 23 * (THREADS - 1)
    assert count(answers, "rejected") == 0
    assert (Frame.objects.count(), Fact.objects.count(), Result.objects.count()) == (21, 1, 1)
    assert IngestBatch.objects.count() == THREADS


def test_the_same_frames_in_another_order_from_each_thread_are_stored_once():
    key = make_key(make_client())
    frames = [
        wire.frame((n, n), seq=n, source=("interface", f"eth{n % 5}"), at=read_now())
        for n in range(400)
    ]
    # The sources are there already, so that the threads meet nowhere but at the frames.
    wire.post(Browser(), "records", wire.batch(*frames[-5:]), key)

    def send(number):
        turn = number * 25
        mixed = frames[turn:] + frames[:turn]
        mixed = mixed[:: -1 if number % 2 else 1]
        return wire.post(Browser(), "records", wire.batch(*mixed), key)

    answers = run_together(16, send)
    assert {answer.status_code for answer in answers} == {200}
    assert count([answer.json() for answer in answers], "stored") == 395
    assert Frame.objects.count() == 400
    newest = {latest.source_id: latest.seq for latest in Latest.objects.all()}
    assert sorted(newest.values()) == [395, 396, 397, 398, 399]


def test_new_layouts_and_sources_of_many_clients_are_made_once_each():
    keys = [make_key(make_client(f"probe-{n}")) for n in range(12)]

    def send(number):
        return wire.post(Browser(), "records", wire.batch(wire.frame()), keys[number])

    assert {answer.status_code for answer in run_together(12, send)} == {200}
    assert (Layout.objects.count(), Source.objects.count(), Frame.objects.count()) == (1, 12, 12)


def test_hosts_of_one_name_that_enrol_at_once_are_all_let_in_and_their_keys_work():
    secrets = [make_enrolment(name=f"token-{n}") for n in range(8)]

    def enrol(number):
        body = {
            "token": secrets[number],
            "name": "edge",
            "agent_version": "1",
            "inventory": INVENTORY,
        }
        return Browser().post("/api/v1/agent/enrol", body, content_type="application/json")

    answers = run_together(8, enrol)
    assert {answer.status_code for answer in answers} == {201}
    names = {answer.json()["name"] for answer in answers}
    assert names == {"edge", *[f"edge-{n}" for n in range(2, 9)]}
    for answer in answers:
        assert wire.send(Browser(), answer.json()["key"], wire.frame(id="a"))["stored"] == ["a"]
