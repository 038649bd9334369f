"""The cards of web, TLS, DNS and time tests, whatever documents and facts they are made of."""

import pytest

from apps.dashboard.cards.http import WIDTH, list_phases
from tests.dashboard.markup import inspect
from tests.dashboard.scene import HOSTILE
from tests.factories.clients import make_client
from tests.factories.tests import make_assignment, make_result

pytestmark = pytest.mark.django_db
PARAMETERS = {"dns": {"name": "example.org"}}
TARGETS = {"http": "https://example.org/"}
CERTIFICATE = {
    "subject": "CN=site.example", "issuer": "CN=Middle", "serial": "7f", "key": "EC 256",
    "signature_algorithm": "ecdsa-with-SHA256", "fingerprint": "ab" * 32,
    "names": ["site.example", "127.0.0.1"], "not_before": 1.7e9, "not_after": 1.8e9,
}  # fmt: skip


@pytest.fixture
def show(page):
    def run(kind, **result):
        assignment = make_assignment(
            make_client("probe-1"), "Web", kind=kind, target=TARGETS.get(kind, "192.0.2.9"),
            parameters=PARAMETERS.get(kind, {}),
        )  # fmt: skip
        answer = page.get(f"/runs/{make_result(assignment, **result).run_id}/")
        assert answer.status_code == 200
        assert inspect(answer.content.decode()).problems == []
        return " ".join(answer.content.decode().replace("\u00a0", " ").split())

    return run


def test_the_phases_of_a_request_follow_each_other(show):
    values = {
        "http.client.phase.dns": 0.01, "http.client.phase.connect": 0.02,
        "http.client.phase.ttfb": 0.05, "http.client.phase.transfer": 0.02,
    }  # fmt: skip
    shown = show("http", values=values, facts={"http.cdn.provider": "Fastly"})
    assert "Waiting for the first byte" in shown
    assert 'x="300" width="500"' in shown
    assert "<strong>Fastly</strong>" in shown
    assert "TLS handshake" not in shown


def test_time_that_is_in_no_phase_is_not_kept_from_the_reader(show):
    values = {"http.client.phase.connect": 0.01, "http.client.request.duration": 0.05}
    shown = show("http", values=values)
    assert "In the client, in between" in shown
    assert '<span class="waterfall-figure">50.0 ms</span>' in shown


@pytest.mark.parametrize(
    "values", [{}, {"http.client.phase.dns": 0.0}, {"http.client.phase.dns": -1.0}]
)
def test_a_request_without_phases_has_no_waterfall(show, values):
    assert "Where the time goes" not in show("http", values=values)


def test_even_the_shortest_phase_is_seen_and_none_leaves_the_picture():
    phases = list_phases({"http.client.phase.dns": 10.0, "http.client.phase.transfer": 1e-9})
    assert all(phase.width >= 1 for phase in phases)
    assert all(phase.begin + phase.width <= WIDTH for phase in phases)


def test_a_certificate_is_shown_with_its_verdict_in_words(show):
    shown = show(
        "tls",
        values={"tls.certificate.expires_in": 864_000.0, "tls.certificate.hostname_match": 0.0},
        facts={"tls.version": "TLSv1.3", "tls.cipher": "TLS_AES_128_GCM_SHA256"},
        document={
            "verdict": "self-signed certificate",
            "certificates": [CERTIFICATE, {**CERTIFICATE, "subject": "CN=Middle"}],
            "weaknesses": ["TLSv1 is offered"],
        },
    )
    for words in (
        "Not trusted", "self-signed certificate", "For another name", "10 days left",
        "TLSv1 is offered", "site.example, 127.0.0.1", "EC 256", "Sent along", "TLSv1.3",
    ):  # fmt: skip
        assert words in shown


def test_resolvers_stand_side_by_side(show):
    rows = [
        {"resolver": "192.0.2.1", "error": "", "seconds": 0.012, "code": "NOERROR",
         "answers": ["192.0.2.7"], "is_authenticated": True},
        {"resolver": "192.0.2.2", "error": "no answer in time"},
    ]  # fmt: skip
    shown = show("dns", document={"resolvers": rows})
    for words in ("12.0 ms", "DNSSEC", "192.0.2.7", "no answer in time"):
        assert words in shown


@pytest.mark.parametrize(("disagreement", "words"), [(0.0, "They agree"), (2.5, "They disagree")])
def test_time_servers_agree_or_not(show, disagreement, words):
    rows = [{"server": "192.0.2.1", "error": "", "offset": -0.0004, "round_trip": 0.02,
             "stratum": 2, "reference": "192.0.2.9"}]  # fmt: skip
    shown = show("ntp", document={"servers": rows, "disagreement": disagreement})
    assert words in shown
    assert "192.0.2.9" in shown


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("tls", {"verdict": HOSTILE, "certificates": [dict.fromkeys(CERTIFICATE, HOSTILE)],
                 "weaknesses": [HOSTILE, 7]}),
        ("tls", {"verdict": HOSTILE, "certificates": [HOSTILE, {"not_after": 1e300}, {}]}),
        ("tls", {"verdict": 7, "certificates": HOSTILE}),
        ("dns", {"resolvers": [{"resolver": HOSTILE, "answers": [HOSTILE, 1], "seconds": HOSTILE,
                 "error": HOSTILE}, HOSTILE, {}]}),
        ("dns", {"resolvers": HOSTILE}),
        ("ntp", {"servers": [{"server": HOSTILE, "offset": HOSTILE}, {}], "disagreement": HOSTILE}),
        ("http", {HOSTILE: HOSTILE}),
    ],
)  # fmt: skip
def test_whatever_a_result_holds_a_sound_page_comes_out(show, kind, document):
    facts = {"tls.version": HOSTILE, "http.cdn.provider": HOSTILE}
    values = {"http.client.phase.dns": 0.1}
    assert HOSTILE not in show(kind, document=document, facts=facts, values=values)
