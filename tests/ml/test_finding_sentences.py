"""Every finding says in one sentence what was found."""

import pytest

from apps.metrics.models import Source
from apps.metrics.services import know_source
from apps.ml.models import Finding
from apps.ml.selectors.finding_sentences import describe_finding, name_cause, name_metric
from apps.ml.selectors.series import WATCHED_KEYS
from tests.factories.clients import make_client
from tests.factories.findings import make_finding
from tests.factories.tests import make_assignment

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("kind", Finding.Kind.values)
def test_every_kind_has_a_sentence_of_its_figures(kind):
    sentence = describe_finding(make_finding(make_client(), kind))
    assert {
        "series_anomaly": "Processor use: outside the range of the last 14 days by 12 %",
        "joint_anomaly": "Unusual as a whole: packet loss 3.1 % (usual 0 to 0.2 %) +31 points",
        "diagnosis": "Local network or gateway (80 % sure): The first router loses 4 %.",
    }[kind] in sentence


@pytest.mark.parametrize("kind", Finding.Kind.values)
def test_a_finding_without_figures_still_has_a_sentence(kind):
    assert describe_finding(make_finding(make_client(), kind, evidence={}))


def test_of_several_streams_the_subject_is_named():
    client = make_client()
    source = Source.objects.get(id=know_source(client.id, "interface", "eth0"))
    key = "system.network.io.rate{direction=receive}"
    finding = make_finding(client, source=source, metric=key)
    assert describe_finding(finding).startswith("Traffic in of eth0: ")


def test_of_a_test_the_metric_alone_is_named():
    assignment = make_assignment(make_client(), "ping")
    finding = make_finding(
        assignment.client, source=assignment.source, test=assignment.test, metric="net.rtt.median"
    )
    assert describe_finding(finding).startswith("Round trip: ")


@pytest.mark.parametrize("key", [key for keys in WATCHED_KEYS.values() for key in keys])
def test_every_watched_metric_of_a_host_has_a_name(key):
    assert name_metric(key) not in {key, ""}
    assert "." not in name_metric(key)


def test_words_that_are_unknown_stay_as_they_are():
    assert name_cause("gremlins") == "gremlins"
    assert name_metric("no.such.metric") == "no.such.metric"
