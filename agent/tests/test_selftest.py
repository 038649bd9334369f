"""What `selftest` says and how it ends; the laboratory itself is proved in tests/lab."""

import json
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from streamswarm_agent.cli.main import main
from streamswarm_agent.laboratory import namespaces, selftest
from streamswarm_agent.laboratory.selftest import Finding

GOOD = Finding("1 ms away", "net.rtt.median", 0.0011, 0.00115, 0.0001)
WRONG = Finding("a tenth lost", "net.packet.received", 180, 181)
ABSENT = Finding("jitter of 5 ms", "net.rtt.stddev", 0.003, None, 0.0003)


@pytest.fixture
def find(monkeypatch):
    """Lets the experiments find this."""

    def prepare(*findings):
        path = SimpleNamespace(host=lambda _side: None)
        monkeypatch.setattr(namespaces, "explain_missing", lambda: "")
        monkeypatch.setattr(selftest, "open_path", lambda: nullcontext(path))
        monkeypatch.setattr(selftest, "run_selftest", lambda _bench: [[one] for one in findings])

    return prepare


def test_all_figures_true_is_success(find, capsys):
    find(GOOD)
    assert main(["selftest"]) == 0
    printed = capsys.readouterr().out
    assert "1 of 1 figures agree with the truth" in printed
    assert "1.100 ms" in printed
    assert "1.150 ms" in printed


@pytest.mark.parametrize("bad", [WRONG, ABSENT])
def test_one_figure_off_or_absent_is_failure(find, capsys, bad):
    find(GOOD, bad)
    assert main(["selftest"]) == 1
    printed = capsys.readouterr().out
    assert "WRONG" in printed
    assert "1 of 2 figures agree with the truth" in printed


def test_programs_get_one_object(find, capsys):
    find(GOOD, WRONG)
    assert main(["selftest", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["is_good"] is False
    assert [one["is_good"] for one in answer["findings"]] == [True, False]


def test_a_host_without_a_laboratory_says_why(monkeypatch, capsys):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(["selftest"]) == 1
    assert "needs root" in capsys.readouterr().err


def test_a_host_without_tun_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("os.access", lambda _path, _mode: False)
    assert main(["selftest"]) == 1
    assert "needs /dev/net/tun (modprobe tun" in capsys.readouterr().err
