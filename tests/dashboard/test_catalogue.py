"""The pages of the catalogue: everything that can be measured, and who measures it now."""

import html
import re

import pytest

from apps.core.clock import read_now
from apps.metrics.catalogue import ABSENT_CODES, METRICS
from apps.metrics.services import know_source, record_fact
from tests.factories import wire
from tests.factories.accounts import make_user
from tests.factories.clients import make_client, make_key
from tests.factories.pairs import make_end, make_mesh
from tests.factories.tests import make_assignment

pytestmark = pytest.mark.django_db

RATE_KEYS = tuple(f"system.network.io.rate{{direction={way}}}" for way in ("receive", "transmit"))


@pytest.fixture
def probe():
    return make_client(name="edge", site="vienna")


def read_text(answer):
    """The words of the page, one blank between any two."""
    bare = re.sub(r"<[^>]*>", " ", html.unescape(answer.content.decode()))
    return " ".join(bare.split())


def test_every_metric_stands_in_its_group_with_what_the_catalogue_says(page):
    text = page.get("/catalogue/").content.decode()
    for metric in METRICS.values():
        assert f"/catalogue/{metric.name}/" in text
    for name in {metric.group for metric in METRICS.values()}:
        assert f">{name}</h2>" in text
    for meaning in ABSENT_CODES.values():
        assert meaning in text


def find_names(page, query):
    answer = page.get(f"/catalogue/?{query}", headers={"HX-Request": "true"})
    return {name for name in METRICS if f"/catalogue/{name}/" in answer.content.decode()}


def test_all_words_of_a_search_must_be_somewhere_in_name_sentence_or_source(page):
    found = find_names(page, "q=RFC+4737+extent")
    assert found == {"net.packet.reorder.extent.max"}


def test_the_list_narrows_to_a_group_and_to_what_a_metric_comes_from(page):
    found = find_names(page, "group=Host&from=disk")
    assert found
    assert {METRICS[name].group for name in found} == {"Host"}
    assert all("disk" in METRICS[name].emitted_by for name in found)


def test_a_filter_that_nothing_fits_says_so(page):
    assert "No metric fits this filter" in page.get("/catalogue/?q=telepathy").content.decode()


def test_a_kind_of_test_leads_to_its_tests(page):
    assert 'href="/tests/?kind=dns"' in page.get("/catalogue/").content.decode()


def test_a_metric_shows_its_newest_values_and_draws_one_of_them(client, page, probe):
    frame = wire.frame((1e6, 2e6), keys=RATE_KEYS, source=("interface", "eth0"))
    wire.send(client, make_key(probe), frame, keys=(RATE_KEYS,))
    answer = page.get("/catalogue/system.network.io.rate/")
    text = read_text(answer)
    for words in ("edge", "eth0", "receive", "transmit", "1.00 Mbit/s", "2.00 Mbit/s"):
        assert words in text
    [panel] = answer.context["panels"]
    assert [line["label"] for line in panel["lines"]] == ["receive", "transmit"]
    assert answer.context["panels_url"] == f"/clients/{probe.id}/history.json"


def test_one_line_of_many_is_drawn_alone_with_its_band(client, page, probe):
    frame = wire.frame((1e6, 2e6), keys=RATE_KEYS, source=("interface", "eth0"))
    wire.send(client, make_key(probe), frame, keys=(RATE_KEYS,))
    address = "/catalogue/system.network.io.rate/"
    alone = page.get(address, {"key": RATE_KEYS[1]})
    [panel] = alone.context["panels"]
    assert [line["key"] for line in panel["lines"]] == [RATE_KEYS[1]]
    assert "Draw all of its lines" in read_text(alone)
    assert "Draw this alone, with its band" in read_text(page.get(address))
    unknown = page.get(address, {"key": "system.network.io.rate{direction=up}"})
    assert len(unknown.context["panels"][0]["lines"]) == 2


def test_of_a_client_with_two_peers_each_chart_is_of_its_own(client, page):
    ends = [make_end(name, f"198.51.100.{10 + place}") for place, name in enumerate("abc")]
    pairs = make_mesh(*ends, kind="udp_session").assignments.select_related("client")
    twice = [pair for pair in pairs if pairs.filter(client=pair.client).count() > 1]
    assert twice
    for pair in twice:
        frame = wire.frame((0.02, 0.0), keys=wire.PING_KEYS, source=("assignment", str(pair.id)))
        wire.send(client, make_key(pair.client), frame)
    for pair in pairs.filter(id__in=[one.id for one in twice]):
        answer = page.get("/catalogue/net.rtt.median/", {"source": pair.source_id})
        assert str(pair.id) in answer.context["panels_url"]


def test_of_a_tests_numbers_the_chart_and_the_link_are_the_tests(client, page, probe):
    assignment = make_assignment(probe)
    frame = wire.frame((0.02, 0.0), keys=wire.PING_KEYS, source=("assignment", str(assignment.id)))
    wire.send(client, make_key(probe), frame)
    answer = page.get("/catalogue/net.rtt.median/")
    assert f'href="/tests/{assignment.test_id}/?client={probe.id}"' in answer.content.decode()
    assert answer.context["panels_url"].startswith(f"/tests/{assignment.test_id}/")
    assert "20.0 ms" in read_text(answer)


def test_a_metric_whose_name_begins_like_another_is_not_taken_for_it(client, page, probe):
    keys = ("agent.cpu.utilization.1m",)
    wire.send(client, make_key(probe), wire.frame((0.1,), keys=keys), keys=(keys,))
    assert "edge" not in read_text(page.get("/catalogue/agent.cpu.utilization/"))
    assert "edge" in read_text(page.get("/catalogue/agent.cpu.utilization.1m/"))


def test_what_could_not_be_measured_shows_its_reason_and_no_chart(client, page, probe):
    keys = ("system.network.link.duplex", "system.network.link.speed")
    absent = dict.fromkeys(keys, "U")
    frame = wire.frame((None, None), keys=keys, absent=absent, source=("interface", "wg0"))
    wire.send(client, make_key(probe), frame, keys=(keys,))
    answer = page.get("/catalogue/system.network.link.speed/")
    assert "unsupported" in read_text(answer)
    assert answer.context["panels"] == []


def test_a_text_shows_the_words_that_hold_now(page, probe):
    source = know_source(probe.id, "interface", "eth0")
    for words in ("half", "full"):
        record_fact(
            source_id=source, key="system.network.link.duplex", value=words, since=read_now()
        )
    answer = page.get("/catalogue/system.network.link.duplex/")
    assert [row.carrier.text for row in answer.context["rows"]] == ["full"]


def test_only_clients_that_the_user_sees_and_searches_are_there(client, page, probe):
    other = make_client(name="hub-9", site="graz")
    for one in (probe, other):
        wire.send(client, make_key(one), wire.frame())
    path = "/catalogue/system.cpu.utilization/"
    assert {"edge", "hub-9"} <= set(read_text(page.get(path)).split())
    assert "hub-9" not in read_text(page.get(f"{path}?q=edge"))
    client.force_login(make_user("ann", "viewer", site="vienna"))
    text = read_text(client.get(path))
    assert "edge" in text
    assert "hub-9" not in text


def test_a_metric_that_is_not_there_is_not_found(page):
    assert page.get("/catalogue/no.such.metric/").status_code == 404
