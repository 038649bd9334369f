"""The scrape of a client that has every metric of the catalogue."""

import re
import shutil
import subprocess
from itertools import count

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from apps.metrics.catalogue import METRICS
from apps.reports.algorithms.exposed_names import name_metric, name_series
from apps.reports.selectors.exposed import list_exposed_metrics
from tests.factories import wire
from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.clients import make_client, make_key

HOSTILE = 'a"b\\c\nd'
KEYS_A_LAYOUT = 200
OPENMETRICS = "application/openmetrics-text"
# OpenMetrics 1.0: suffixes that are of other types, or of samples and not of families.
RESERVED = ("_total", "_count", "_sum", "_bucket", "_created", "_info", "_gcount", "_gsum")


def list_numbers():
    return [metric for metric in METRICS.values() if metric.is_number]


def write_key(metric):
    attributes = ",".join(f"{name}=x" for name in sorted(metric.attributes))
    return f"{metric.name}{{{attributes}}}" if attributes else metric.name


@pytest.fixture
def scrape(db, client):
    """Scrape in a format; value N + 0.5 is of the N-th metric."""
    keys = [write_key(metric) for metric in list_numbers()]
    key = make_key(make_client(HOSTILE, site="vienna"))
    numbers = count()
    for place in range(0, len(keys), KEYS_A_LAYOUT):
        part = tuple(keys[place : place + KEYS_A_LAYOUT])
        values = [next(numbers) + 0.5 for _key in part]
        frame = wire.frame(values, keys=part, source=("interface", f"eth{place}"))
        assert wire.send(client, key, frame, keys=(part,))["rejected"] == []
    reader = bearer(make_token(make_user("grafana", "viewer"), "metrics"))

    def read(accept=""):
        headers = {**reader["headers"], "accept": accept}
        answer = client.get("/metrics/clients", headers=headers)
        assert answer.status_code == 200
        return answer.content.decode()

    return read


def test_every_metric_of_the_catalogue_is_there_with_its_type_unit_and_value(scrape):
    text = scrape(OPENMETRICS)
    assert text.endswith("\n# EOF\n")
    assert text.count("# EOF") == 1
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert len(families) == len(list_numbers())
    for number, metric in enumerate(list_numbers()):
        naming = name_metric(metric.name, metric.unit)
        family = families[naming.family]
        assert (family.type, family.unit) == (metric.kind, naming.unit)
        assert family.documentation == metric.description
        (sample,) = family.samples
        assert sample.name == name_series(metric.name, metric.unit, metric.kind)
        assert sample.value == (number + 0.5) * naming.factor
        assert sample.labels["client"] == HOSTILE


def test_a_counters_samples_end_in_total_and_a_unit_is_the_end_of_its_name(scrape):
    for family in text_string_to_metric_families(scrape(OPENMETRICS)):
        ends = {sample.name.removeprefix(family.name) for sample in family.samples}
        assert ends == ({"_total"} if family.type == "counter" else {""})
        assert not family.unit or family.name.endswith(f"_{family.unit}")
        assert not family.name.endswith(RESERVED)
        assert re.fullmatch(r"[a-z][a-z0-9_]*", family.name)


def test_families_stand_together_and_every_text_is_escaped(scrape):
    lines = scrape(OPENMETRICS).splitlines()
    types = [line.split()[2] for line in lines if line.startswith("# TYPE ")]
    assert len(types) == len(set(types))
    samples = [line for line in lines if not line.startswith("#")]
    assert all(r'client="a\"b\\c\nd"' in line for line in samples)


def test_names_elsewhere_are_as_many_as_metrics():
    assert len(list_exposed_metrics()) == len(list_numbers())


@pytest.mark.parametrize(
    ("metric", "unit", "family", "factor"),
    [
        ("path.hop.count", "{hop}", "path_hops", 1.0),
        ("system.process.count", "{process}", "system_processes", 1.0),
        ("system.users.count", "{user}", "system_users", 1.0),
        ("net.rtt.median", "s", "net_rtt_median_seconds", 1.0),
        ("qos.policing.rate", "bit/s", "qos_policing_rate_bytes_per_second", 0.125),
        ("tls.certificate.key_bits", "{bit}", "tls_certificate_key_bytes", 0.125),
        ("net.tcp.window_scale.send", "{bit}", "net_tcp_window_scale_send", 1.0),
    ],
)
def test_a_name_ends_in_its_unit_and_says_bytes_instead_of_bits(metric, unit, family, factor):
    naming = name_metric(metric, unit)
    assert (naming.family, naming.factor) == (family, factor)


def test_promtool_has_nothing_to_say_about_any_metric(scrape):
    path = shutil.which("promtool")
    if path is None:
        pytest.skip("promtool is not installed (Debian: apt install prometheus)")
    checked = subprocess.run(
        [path, "check", "metrics"],
        input=scrape(),
        capture_output=True,
        check=False,
        timeout=60,
        text=True,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
