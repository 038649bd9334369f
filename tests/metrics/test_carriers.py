"""Who measures a metric now: the same on both databases."""

from datetime import timedelta

import pytest

from apps.clients.models import Client
from apps.core.clock import read_now
from apps.metrics.selectors import list_number_carriers, list_text_carriers
from apps.metrics.services import know_source, record_fact
from tests.factories import wire
from tests.factories.clients import make_client, make_key

pytestmark = pytest.mark.django_db

KEYS = (
    "system.disk.io.rate{direction=read}",
    "system.disk.io.rate{direction=write}",
    "system.disk.utilization",
)


@pytest.fixture
def send(client):
    def send_disk(probe, values, subject="sda"):
        absent = {key: "I" for key, value in zip(KEYS, values, strict=True) if value is None}
        frame = wire.frame(values, keys=KEYS, source=("disk", subject), absent=absent)
        wire.send(client, make_key(probe), frame, keys=(KEYS,))

    return send_disk


def describe(carriers):
    return [(one.source.client.name, one.source.subject, one.value, one.absent) for one in carriers]


def test_every_key_of_the_metric_is_there_with_its_newest_value_or_reason(send):
    probe = make_client("edge")
    send(probe, (1.0, 2.0, 0.5))
    send(probe, (3.0, None, 0.5))
    carriers = list_number_carriers(Client.objects.all(), "system.disk.io.rate", at_most=5)
    assert [one.key for one in carriers] == list(KEYS[:2])
    assert describe(carriers) == [("edge", "sda", 3.0, ""), ("edge", "sda", None, "I")]


def test_a_name_that_another_one_begins_with_finds_only_itself(send):
    send(make_client("edge"), (1.0, 2.0, 0.5))
    assert list_number_carriers(Client.objects.all(), "system.disk.io", at_most=5) == []


def test_sources_come_in_order_of_their_clients_and_no_more_than_wanted(send):
    for name in ("c", "a", "b"):
        send(make_client(name), (1.0, 2.0, 0.5), subject=f"disk-{name}")
    carriers = list_number_carriers(Client.objects.all(), "system.disk.utilization", at_most=2)
    assert [one.source.subject for one in carriers] == ["disk-a", "disk-b"]
    one = Client.objects.filter(name="c")
    assert len(list_number_carriers(one, "system.disk.utilization", at_most=2)) == 1


def test_of_words_those_that_hold_now_are_there_once():
    probe, now = make_client("edge"), read_now()
    for subject, words in (("eth0", ("half", "full")), ("eth1", ("full",))):
        source = know_source(probe.id, "interface", subject)
        for age, text in enumerate(reversed(words)):
            since = now - timedelta(hours=age, minutes=source)
            record_fact(source_id=source, key="system.network.link.duplex", value=text, since=since)
    carriers = list_text_carriers(Client.objects.all(), "system.network.link.duplex", at_most=9)
    assert {(one.source.subject, one.text) for one in carriers} == {
        ("eth0", "full"),
        ("eth1", "full"),
    }
    assert list_text_carriers(Client.objects.none(), "system.network.link.duplex", at_most=9) == []
