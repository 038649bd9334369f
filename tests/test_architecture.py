"""The gates hold, and each of them bites: a planted violation must turn it red."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests import conventions
from tests.conventions import ROOT

LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
UNTYPED_FUNCTION = "def double(number):\n    return 2 * number\n"


def run_gate(*argv, folder):
    return subprocess.run(
        list(map(str, argv)), cwd=folder, capture_output=True, text=True, check=False
    )


def build_function(line_count):
    body = "\n".join(f"    value_{number} = {number}" for number in range(line_count - 1))
    return f"def compute() -> None:\n{body}\n"


@pytest.fixture
def sources(tmp_path):
    """A copy of the server's sources to plant a violation in."""
    for name in ("apps", "streamswarm"):
        shutil.copytree(
            ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "static")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_import_rule_holds():
    result = run_gate(LINT_IMPORTS, "--no-cache", folder=ROOT)
    assert result.returncode == 0, result.stdout


def test_the_agents_import_rule_holds():
    result = run_gate("env", "PYTHONPATH=src", LINT_IMPORTS, "--no-cache", folder=ROOT / "agent")
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("apps/core/buckets.py", "import apps.clients.models"),
        ("apps/clients/models.py", "import apps.metrics.models"),
        ("apps/metrics/selectors/series.py", "import apps.ingest.apps"),
        ("apps/operations/liveness.py", "import streamswarm.settings"),
    ],
)
def test_an_upward_import_breaks_the_import_rule(sources, path, line):
    module = sources / path
    module.write_text(f"{module.read_text()}\n{line}\n")
    result = run_gate(LINT_IMPORTS, "--no-cache", folder=sources)
    assert result.returncode == 1
    assert "BROKEN" in result.stdout
    assert line.removeprefix("import ") in result.stdout


def test_an_app_missing_from_the_layers_breaks_the_import_rule(sources):
    (sources / "apps" / "stowaway").mkdir()
    (sources / "apps" / "stowaway" / "__init__.py").touch()
    result = run_gate(LINT_IMPORTS, "--no-cache", folder=sources)
    assert result.returncode != 0
    assert "stowaway" in result.stdout


@pytest.mark.parametrize(
    ("source", "exit_code"),
    [(UNTYPED_FUNCTION, 1), ("def double(number: int) -> int:\n    return 2 * number\n", 0)],
)
def test_an_untyped_function_breaks_the_types(tmp_path, source, exit_code):
    (tmp_path / "module.py").write_text(source)
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    flags = [f"{name} = true" for name, value in rules.items() if value is True]
    (tmp_path / "mypy.ini").write_text("[mypy]\n" + "\n".join(flags))
    mypy = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--cache-dir", "cache"]
    result = run_gate(*mypy, "module.py", folder=tmp_path)
    assert result.returncode == exit_code, result.stdout
    assert ("no-untyped-def" in result.stdout) is bool(exit_code)


@pytest.mark.parametrize(("line_count", "is_found"), [(60, False), (61, True)])
def test_a_function_of_61_lines_breaks_the_conventions(tmp_path, line_count, is_found):
    path = tmp_path / "module.py"
    path.write_text(build_function(line_count))
    assert bool(conventions.find_long_functions(path)) is is_found


@pytest.mark.parametrize(("line_count", "is_found"), [(500, False), (501, True)])
def test_a_file_of_501_lines_breaks_the_conventions(tmp_path, line_count, is_found):
    path = tmp_path / "module.py"
    path.write_text("pass\n" * line_count)
    assert bool(conventions.find_long_file(path)) is is_found


def test_a_style_mistake_breaks_the_lint(tmp_path):
    (tmp_path / "module.py").write_text("import os\n")
    ruff = [sys.executable, "-m", "ruff", "check", "--no-cache"]
    result = run_gate(*ruff, "--config", ROOT / "pyproject.toml", "module.py", folder=tmp_path)
    assert result.returncode == 1
    assert "F401" in result.stdout
