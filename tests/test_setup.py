import json
import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from scripts import copy_assets, prepare
from scripts.prepare import CannotPrepareError, Layout, Step
from tests.conventions import ROOT

# fmt: off
PROMISED_TARGETS = (
    "bench", "check", "docs", "e2e", "faults", "fuzz", "help", "imports", "lab", "lint", "lock",
    "run", "setup", "test", "test-all", "types",
)
# fmt: on
DRAWING = (
    '<svg\n  xmlns="http://www.w3.org/2000/svg"\n  width="24"\n>\n'
    '  <path stroke="none" d="M0 0h24v24H0z" fill="none" />\n  <path d="M5 12l-2 0" />\n</svg>\n'
)


@pytest.fixture
def layout(tmp_path):
    (tmp_path / "input").write_text("one")
    return Layout(tmp_path)


def make_step(layout, runs):
    def act():
        runs.append(layout)
        (layout.root / "output").touch()

    return Step("step", [layout.root / "input"], layout.root / "output", act)


def test_a_step_runs_once_while_its_inputs_stay_the_same(layout):
    runs = []
    assert prepare.run_step(layout, make_step(layout, runs))
    assert not prepare.run_step(layout, make_step(layout, runs))
    assert len(runs) == 1


def test_a_step_runs_again_when_an_input_changes(layout):
    runs = []
    prepare.run_step(layout, make_step(layout, runs))
    (layout.root / "input").write_text("two")
    assert prepare.run_step(layout, make_step(layout, runs))


def test_a_step_runs_again_when_its_output_is_gone(layout):
    runs = []
    prepare.run_step(layout, make_step(layout, runs))
    (layout.root / "output").unlink()
    assert prepare.run_step(layout, make_step(layout, runs))


def test_a_step_that_failed_is_not_taken_as_done(layout):
    def fail():
        (layout.root / "output").touch()
        raise CannotPrepareError("no network")

    step = Step("step", [layout.root / "input"], layout.root / "output", fail)
    with pytest.raises(CannotPrepareError):
        prepare.run_step(layout, step)
    assert prepare.run_step(layout, make_step(layout, []))


def test_a_moved_checkout_is_prepared_anew(layout, tmp_path):
    runs = []
    prepare.run_step(layout, make_step(layout, runs))
    moved = Layout(layout.root.rename(tmp_path.with_name("moved")))
    assert prepare.run_step(moved, make_step(moved, runs))


def test_missing_libraries_without_root_name_the_line_to_run():
    packages = ["libpango-1.0-0", "libpangoft2-1.0-0"]
    with pytest.raises(CannotPrepareError) as raised:
        prepare.install_packages(packages, is_root=False, is_required=True)
    line = "sudo apt-get update && sudo apt-get install -y --no-install-recommends"
    assert f"    {line} libpango-1.0-0 libpangoft2-1.0-0" in str(raised.value)


def test_what_only_tests_need_is_named_but_does_not_stop_set_up(capsys):
    prepare.install_packages(["chromium"], is_root=False, is_required=False)
    assert "--no-install-recommends chromium" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("exit_code", "package"), [(0, "chromium-headless-shell"), (100, "chromium")]
)
def test_chromium_without_windows_is_installed_where_it_can_be(
    monkeypatch, tmp_path, exit_code, package
):
    apt = tmp_path / "apt-cache"
    apt.write_text(
        f'#!/bin/sh\ntest "$*" = "show chromium-headless-shell" || exit 1\nexit {exit_code}\n'
    )
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setattr(prepare, "is_any_command_there", lambda _names: False)
    assert package in prepare.find_missing_test_packages()


def test_root_installs_quietly_after_an_update(monkeypatch, tmp_path):
    calls = tmp_path / "calls"
    apt = tmp_path / "apt-get"
    apt.write_text(f'#!/bin/sh\necho "$DEBIAN_FRONTEND $*" >> {calls}\n')
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    prepare.install_packages(["chromium"], is_root=True, is_required=True)
    assert calls.read_text().splitlines() == [
        "noninteractive update -qq",
        "noninteractive install -y -qq --no-install-recommends chromium",
    ]


def test_a_failing_command_is_named(tmp_path):
    with pytest.raises(CannotPrepareError, match="exit code 3: sh -c exit 3"):
        prepare.run_command(["sh", "-c", "exit 3"], folder=tmp_path)


def test_an_npm_without_a_recent_node_is_not_used(monkeypatch, tmp_path):
    for name, output in (("npm", "11.0.0"), ("node", "v16.20.2")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho {output}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert not prepare.is_system_node_usable()
    (tmp_path / "node").write_text("#!/bin/sh\necho v20.20.2\n")
    assert prepare.is_system_node_usable()


def test_without_npm_the_packaged_one_is_used(monkeypatch, layout):
    npm = layout.node_environment / "bin" / "npm"
    npm.parent.mkdir(parents=True)
    npm.touch()
    monkeypatch.setenv("PATH", str(layout.root))
    program, environment = prepare.find_npm(layout)
    assert program == str(npm)
    assert environment["PATH"].startswith(f"{npm.parent}:")


def test_an_icon_becomes_a_symbol_in_the_colour_of_the_text():
    symbol = ET.fromstring(copy_assets.build_symbol("home", DRAWING))  # noqa: S314 - our own text
    assert (symbol.get("id"), symbol.get("stroke")) == ("home", "currentColor")
    assert [path.get("d") for path in symbol] == ["M5 12l-2 0"]


def fill_modules(modules):
    for source in copy_assets.FILES.values():
        path = modules / source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    icons = modules / "@tabler" / "icons" / "icons" / "outline"
    icons.mkdir(parents=True)
    for name in copy_assets.ICONS:
        (icons / f"{name}.svg").write_text(DRAWING)


def test_exactly_the_listed_files_are_copied(tmp_path):
    fill_modules(tmp_path / "modules")
    destination = tmp_path / "vendor"
    destination.mkdir()
    (destination / "outdated.js").touch()
    copy_assets.copy_assets(tmp_path / "modules", destination)
    names = {path.name for path in destination.iterdir()}
    assert names == {*copy_assets.FILES, "icons.svg"}
    sprite = ET.parse(destination / "icons.svg").getroot()  # noqa: S314 - our own file
    assert [symbol.get("id") for symbol in sprite] == list(copy_assets.ICONS)


def test_a_missing_file_is_named_and_leaves_the_folder_as_it_was(tmp_path):
    fill_modules(tmp_path / "modules")
    (tmp_path / "modules" / copy_assets.FILES["htmx.min.js"]).unlink()
    destination = tmp_path / "vendor"
    destination.mkdir()
    (destination / "kept.js").touch()
    with pytest.raises(copy_assets.MissingAssetError, match=r"htmx\.min\.js is missing"):
        copy_assets.copy_assets(tmp_path / "modules", destination)
    assert [path.name for path in destination.iterdir()] == ["kept.js"]


def test_every_copied_package_is_pinned_exactly():
    package = json.loads((ROOT / "package.json").read_text())
    versions = package["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions.values())
    sources = (*copy_assets.FILES.values(), "@tabler/icons")
    assert all(any(source.startswith(name) for name in versions) for source in sources)


def test_the_browser_lock_names_no_registry_and_hashes_everything():
    lock = json.loads((ROOT / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages
    assert all("resolved" not in package for package in packages.values())
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())


@pytest.mark.parametrize("name", ["base", "agent", "dev", "node"])
def test_the_python_lock_is_hashed_and_names_no_index(name):
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    pins = re.findall(r"^[a-z0-9][^\s=]*==\S+", text, re.MULTILINE | re.IGNORECASE)
    assert pins
    assert len(pins) == len(re.findall(r"^[a-z0-9].*\\$", text, re.MULTILINE | re.IGNORECASE))
    assert "--index-url" not in text
    assert "--find-links" not in text
    assert "file:" not in text


def read_pins(name):
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    pattern = re.compile(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)", re.MULTILINE)
    return set(pattern.findall(text))


@pytest.mark.parametrize("name", ["base", "agent"])
def test_tests_run_with_the_versions_that_are_delivered(name):
    assert read_pins(name) <= read_pins("dev")


def test_make_help_describes_every_promised_target():
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    described = dict(re.findall(r"make (\S+)\s+(\S.*)", shown.stdout))
    assert set(PROMISED_TARGETS) <= set(described)


def test_ci_runs_the_same_command_as_everybody():
    script = Path(ROOT / ".ci" / "run").read_text()
    assert script.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in script
    assert script.rstrip().endswith("make test")
