import pytest

from agent.tests.collectors.recorded import (
    REFUSED,
    UNSUPPORTED,
    Programs,
    answer_of,
    nothing_installed,
    read_fixture,
)
from agent.tests.collectors.trees import write_tree
from streamswarm_agent.collectors.commands import Answer
from streamswarm_agent.collectors.wifi import METRICS, WifiCollector, find_wireless

INTERFACES = {"iwlwifi": "wlp2s0", "ath9k": "wlan0", "brcmfmac": "wlan0", "mt7925": "wlp1s0"}


@pytest.fixture
def host(tmp_path, dial):
    """A collector of a host with one wireless chip, whose `iw` said what was recorded."""

    def build(chip, *, has_kernel_table=False, **replaced):
        name = INTERFACES[chip]
        write_tree(tmp_path, {f"class/net/{name}/phy80211/name": "phy0\n"})
        if has_kernel_table:
            write_tree(tmp_path, {"net/wireless": read_fixture("wireless")})

        def iw(arguments):
            assert arguments[:3] == ("iw", "dev", name)
            topic = " ".join(arguments[3:])
            return replaced.get(topic.replace(" ", "_")) or answer_of(f"{chip}/{topic}")

        return WifiCollector(Programs(iw=iw), tmp_path, tmp_path, dial)

    return build


EXPECTED = {
    "iwlwifi": {
        "wifi.signal": -39, "wifi.noise": -92, "wifi.snr": 53, "wifi.bitrate.transmit": 1200.9e6,
        "wifi.bitrate.receive": 1080.6e6, "wifi.mcs": 11, "wifi.frequency": 5.5e9,
        "wifi.channel.width": 80e6, "wifi.transmit.retries": 8822, "wifi.transmit.failed": 23,
        "wifi.beacon.loss": 2, "wifi.scan.ap_count": 3,
    },
    "ath9k": {
        "wifi.signal": -61, "wifi.noise": -95, "wifi.snr": 34, "wifi.bitrate.transmit": 144.4e6,
        "wifi.bitrate.receive": 130e6, "wifi.mcs": 15, "wifi.frequency": 2.437e9,
        "wifi.channel.width": 20e6, "wifi.transmit.retries": 64, "wifi.transmit.failed": 0,
        "wifi.beacon.loss": 0, "wifi.scan.ap_count": 0,
    },
    "brcmfmac": {
        "wifi.signal": -55, "wifi.bitrate.transmit": 433.3e6, "wifi.bitrate.receive": 390e6,
        "wifi.frequency": 5.24e9, "wifi.channel.width": 80e6, "wifi.transmit.failed": 7,
        "wifi.scan.ap_count": 1,
    },
    "mt7925": {
        "wifi.signal": -47, "wifi.bitrate.transmit": 2882.3e6, "wifi.bitrate.receive": 2401.9e6,
        "wifi.mcs": 13, "wifi.frequency": 6.135e9, "wifi.channel.width": 160e6,
        "wifi.transmit.retries": 18, "wifi.transmit.failed": 1, "wifi.beacon.loss": 0,
        "wifi.scan.ap_count": 1,
    },
}  # fmt: skip


@pytest.mark.parametrize("chip", EXPECTED)
def test_each_chips_figures_are_exactly_those_it_reports(host, collect, chip):
    frame = collect(host(chip))[INTERFACES[chip]]
    assert frame.values == pytest.approx(EXPECTED[chip])


def test_what_a_driver_does_not_say_is_unsupported(host, collect):
    absent = collect(host("brcmfmac"))["wlan0"].absent
    unsaid = (
        "wifi.noise", "wifi.snr", "wifi.mcs", "wifi.transmit.retries", "wifi.beacon.loss",
        "wifi.channel.busy.ratio", "wifi.link_quality",
    )  # fmt: skip
    assert absent == {**dict.fromkeys(unsaid, "U"), "wifi.roam.count": "I"}


def test_the_access_point_is_a_fact(host):
    (fact,) = host("iwlwifi").collect().facts
    assert (fact.subject, fact.key, fact.value) == ("wlp2s0", "wifi.bssid", "9c:3d:cf:11:22:33")


@pytest.mark.parametrize(("chip", "quality", "noise"), [("iwlwifi", 0.9, -92), ("ath9k", 0.7, -95)])
def test_the_kernels_table_gives_the_quality_and_never_an_unknown_noise(
    host, collect, chip, quality, noise
):
    values = collect(host(chip, has_kernel_table=True))[INTERFACES[chip]].values
    assert values["wifi.link_quality"] == pytest.approx(quality)
    assert values["wifi.noise"] == noise


def test_the_kernels_table_serves_where_there_is_no_iw(tmp_path, collect, dial):
    write_tree(tmp_path, {"net/wireless": read_fixture("wireless")})
    for name in ("wlan0", "wlan1", "wlp2s0"):
        (tmp_path / "class" / "net" / name / "wireless").mkdir(parents=True)
    frames = collect(WifiCollector(nothing_installed, tmp_path, tmp_path, dial))
    assert frames["wlan0"].values == {
        "wifi.signal": -61, "wifi.noise": -95, "wifi.snr": 34, "wifi.link_quality": 0.7
    }  # fmt: skip
    assert frames["wlan1"].values == {"wifi.link_quality": 0.8}
    assert frames["wlp2s0"].absent["wifi.noise"] == "U"
    assert frames["wlp2s0"].absent["wifi.bssid"] == "U"


def test_the_busy_share_is_that_of_the_time_between_two_passes(host, collect, dial):
    later = read_fixture("iwlwifi/survey dump").replace("54995", "64995").replace("10432", "12932")
    texts = [Answer(later)]
    collector = host("iwlwifi")
    assert collect(collector)["wlp2s0"].absent["wifi.channel.busy.ratio"] == "I"
    dial.seconds += 10
    again = collector._run.answers["iw"]
    collector._run.answers["iw"] = lambda words: texts[0] if words[3] == "survey" else again(words)
    assert collect(collector)["wlp2s0"].values["wifi.channel.busy.ratio"] == 0.25


def test_a_survey_that_went_back_gives_no_busy_share(host, collect, dial):
    collector = host("iwlwifi")
    collect(collector)
    dial.seconds += 10
    shorter = Answer(read_fixture("iwlwifi/survey dump").replace("54995", "32592"))
    again = collector._run.answers["iw"]
    collector._run.answers["iw"] = lambda words: shorter if words[3] == "survey" else again(words)
    assert collect(collector)["wlp2s0"].absent["wifi.channel.busy.ratio"] == "I"


def test_a_change_of_the_access_point_is_a_roam_also_across_a_gap(host, collect):
    collector = host("ath9k")
    recorded = collector._run.answers["iw"]
    home = read_fixture("ath9k/link")
    links = [home, home, home.replace("aa:00:01", "aa:00:02"), "Not connected.\n", home]
    counts = []
    for link in links:
        collector._run.answers["iw"] = lambda words, link=link: (
            Answer(link) if words[3] == "link" else recorded(words)
        )
        frame = collect(collector)["wlan0"]
        counts.append(frame.values.get("wifi.roam.count", frame.absent.get("wifi.roam.count")))
    assert counts == ["I", 0, 1, 1, 2]


def test_without_a_connection_its_figures_do_not_apply(host, collect):
    nothing = Answer("")
    frame = collect(
        host("brcmfmac", link=Answer("Not connected.\n"), station_dump=nothing, info=nothing)
    )["wlan0"]
    assert frame.values == {"wifi.scan.ap_count": 1}
    assert set(frame.absent.values()) == {"N"}
    assert frame.absent.keys() == {*METRICS} - {"wifi.scan.ap_count"}


def test_what_needs_rights_says_so(host, collect):
    frame = collect(host("brcmfmac", scan_dump=REFUSED, survey_dump=REFUSED))["wlan0"]
    assert frame.absent["wifi.scan.ap_count"] == "P"
    assert frame.absent["wifi.noise"] == "P"
    assert frame.absent["wifi.snr"] == "P"
    frame = collect(host("brcmfmac", scan_dump=UNSUPPORTED))["wlan0"]
    assert frame.absent["wifi.scan.ap_count"] == "U"


def test_a_host_without_wireless_devices_says_that_all_is_unsupported(tmp_path, collect, catalogue):
    run = Programs()
    (frame,) = collect(WifiCollector(run, tmp_path, tmp_path)).values()
    assert frame.subject == ""
    assert frame.absent == dict.fromkeys(METRICS, "U")
    assert set(METRICS) == {name for name, row in catalogue.items() if "wifi" in row["emitted_by"]}
    assert run.calls == []


def test_the_real_host_answers_with_values_or_reasons(collect):
    frames = collect(WifiCollector())
    assert list(frames) == (find_wireless() or [""])
