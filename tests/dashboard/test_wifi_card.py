"""The card of a look at the radios of a host."""

import pytest

from apps.dashboard.cards.wifi import measure_bar, name_channel
from tests.dashboard.markup import inspect
from tests.dashboard.scene import HOSTILE
from tests.factories.clients import make_client
from tests.factories.tests import make_assignment, make_result

pytestmark = pytest.mark.django_db
CONNECTED = {
    "wifi.signal": -56.0, "wifi.noise": -92.0, "wifi.snr": 36.0, "wifi.bitrate.transmit": 1200.9e6,
    "wifi.bitrate.receive": 1080.6e6, "wifi.mcs": 11.0, "wifi.frequency": 5.5e9,
    "wifi.channel.width": 80e6, "wifi.channel.busy.ratio": 0.19, "wifi.transmit.retries": 8822.0,
    "wifi.transmit.failed": 23.0, "wifi.roam.count": 1.0, "wifi.scan.ap_count": 3.0,
}  # fmt: skip
FACTS = {"wifi.bssid": "9c:3d:cf:11:22:33"}


def describe_source(subject, values, absent=None, facts=None):
    return {
        "kind": "wifi", "subject": subject, "values": values, "absent": absent or {},
        "facts": facts or {},
    }  # fmt: skip


@pytest.fixture
def show(page):
    """The page of a run that found these sources; the result's own figures are those of `own`."""

    def run(*sources, own=None):
        own = own or {}
        assignment = make_assignment(make_client(), "Radio", kind="wifi", target="agent")
        made = make_result(
            assignment,
            is_success=bool(own.get("values")),
            values={"agent.run.late": 0.12, **own.get("values", {})},
            absent=own.get("absent", {}),
            facts=own.get("facts", {}),
            document={"rows": list(sources)},
        )
        answer = page.get(f"/runs/{made.run_id}/")
        assert answer.status_code == 200
        markup = answer.content.decode()
        assert inspect(markup).problems == []
        return " ".join(markup.replace("\u00a0", " ").replace("\u202f", "").split())

    return run


def test_a_connection_has_its_signal_rates_retries_channel_and_a_sentence(show):
    own = describe_source("wlp2s0", CONNECTED, facts=FACTS)
    shown = show(own, own=own)
    for words in (
        "wlp2s0", "-56.0 dBm", "36.0 dB", "1.20 Gbit/s", "1.08 Gbit/s", "<dd>8822</dd>",
        "channel 100 of 5 GHz", "80.0 MHz", "19.0 %", "Access point 9c:3d:cf:11:22:33",
        "The access point is heard well.", 'width="567"',
    ):  # fmt: skip
        assert words in shown
    assert "No radio" not in shown


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "is heard well."),
        ({"wifi.signal": -65.0}, "is heard well enough."),
        ({"wifi.signal": -71.0, "wifi.snr": 10.0}, "The signal is weak"),
        ({"wifi.snr": 19.0, "wifi.channel.busy.ratio": 0.9}, "The noise comes close"),
        ({"wifi.channel.busy.ratio": 0.51}, "The channel is in use most of the time"),
    ],
)
def test_the_sentence_says_what_holds_the_connection_back_most(show, changes, sentence):
    own = describe_source("wlan0", CONNECTED | changes)
    assert sentence in show(own, own=own)


def test_a_host_without_a_radio_says_so(show):
    nothing = describe_source("", {}, {"wifi.signal": "U"})
    shown = show(nothing, own=nothing)
    assert "The agent sees no wireless interface on this host;" in shown
    assert "dBm</p>" not in shown


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("N", "Not connected to an access point."),
        ("P", "The agent is not allowed to ask this interface."),
        ("U", "The driver tells nothing, or the program iw"),
    ],
)
def test_a_radio_without_a_signal_says_why(show, code, sentence):
    own = describe_source("wlan0", {"wifi.scan.ap_count": 4.0}, {"wifi.signal": code})
    shown = show(own, own=own)
    assert sentence in shown
    assert "Access points in reach" in shown


def test_a_name_that_no_radio_has_is_said_beside_the_radios_that_are_there(show):
    shown = show(describe_source("wlan1", CONNECTED))
    assert "no wireless interface of the name that the test asks for" in shown
    assert "wlan1" in shown


def test_figures_without_a_document_are_shown_all_the_same(show):
    assert "-56.0 dBm" in show(own=describe_source("", CONNECTED))


@pytest.mark.parametrize(
    ("megahertz", "name"),
    [
        (2412, "channel 1 of 2.4 GHz"), (2472, "channel 13 of 2.4 GHz"),
        (2484, "channel 14 of 2.4 GHz"), (5180, "channel 36 of 5 GHz"),
        (5885, "channel 177 of 5 GHz"), (5955, "channel 1 of 6 GHz"),
        (7115, "channel 233 of 6 GHz"), (2413, ""), (60480, ""), (0, ""), (-5, ""),
    ],
)  # fmt: skip
def test_channels_are_called_as_people_call_them(megahertz, name):
    assert name_channel(megahertz * 1e6) == name


@pytest.mark.parametrize(
    ("signal_dbm", "width"), [(-1e308, 0), (-90, 0), (-60, 500), (-30, 1000), (1e308, 1000)]
)
def test_the_bar_of_a_signal_stays_inside(signal_dbm, width):
    assert measure_bar(signal_dbm) == width


@pytest.mark.parametrize(
    "source",
    [
        HOSTILE,
        describe_source(HOSTILE, HOSTILE, HOSTILE, HOSTILE),
        describe_source(HOSTILE, {"wifi.signal": HOSTILE}, {"wifi.signal": [HOSTILE]}),
        describe_source(HOSTILE, dict.fromkeys(CONNECTED, 1e308), facts={"wifi.bssid": HOSTILE}),
        describe_source(7, dict.fromkeys(CONNECTED, -1e308), facts={"wifi.bssid": 7}),
    ],
)
def test_whatever_a_result_holds_a_sound_page_comes_out(show, source):
    assert HOSTILE not in show(*[source] * 50)
