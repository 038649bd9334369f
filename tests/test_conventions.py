import re
from pathlib import Path

import pytest

from streamswarm import env
from tests import conventions
from tests.conventions import ROOT

APPS = sorted(path.parent.name for path in (ROOT / "apps").glob("*/apps.py"))
PYTHON_FILES = conventions.list_python_files()
TEST_FILES = [path for path in PYTHON_FILES if path.name.startswith("test_")]
SETTING_ROW_PATTERN = re.compile(r"^\|\s*`([A-Z_]+)`\s*\|", re.MULTILINE)


def collect(check, paths, *arguments):
    return [problem for path in paths for problem in check(path, *arguments)]


def test_no_function_is_longer_than_60_lines():
    assert collect(conventions.find_long_functions, PYTHON_FILES) == []


def test_no_file_is_longer_than_500_lines():
    assert collect(conventions.find_long_file, PYTHON_FILES) == []


def test_no_browser_module_is_longer_than_150_lines():
    scripts = conventions.list_files("static", suffixes=frozenset({".js"}))
    assert collect(conventions.find_long_file, scripts, conventions.LONGEST_SCRIPT_LINES) == []


def test_no_module_has_a_vague_name():
    assert collect(conventions.find_vague_name, PYTHON_FILES) == []


def test_nothing_is_left_unfinished():
    texts = conventions.list_files(*conventions.TEXT_FOLDERS, suffixes=conventions.TEXT_SUFFIXES)
    own = {ROOT / "tests" / name for name in ("conventions.py", "test_conventions.py")}
    found = collect(conventions.find_lines, set(texts) - own, conventions.UNFINISHED_PATTERN)
    assert found == []


def test_every_exception_from_types_and_lint_has_code_and_reason():
    own = {ROOT / "tests" / name for name in ("conventions.py", "test_conventions.py")}
    paths = sorted(set(PYTHON_FILES) - own)
    assert collect(conventions.find_lines, paths, conventions.BARE_IGNORE_PATTERN) == []
    assert collect(conventions.find_lines, paths, conventions.BARE_NOQA_PATTERN) == []


def test_every_test_checks_something():
    assert collect(conventions.find_tests_without_check, TEST_FILES) == []


def test_no_test_sleeps():
    paths = [path for path in PYTHON_FILES if "tests" in path.relative_to(ROOT).parts[:2]]
    server_app = ROOT / "apps" / "tests"
    own = [path for path in paths if not path.is_relative_to(server_app)]
    assert collect(conventions.find_sleeps, own) == []


def test_pages_load_nothing_from_another_host():
    suffixes = frozenset({".html", ".css", ".js", ".svg"})
    pages = conventions.list_files("templates", "static", "apps", suffixes=suffixes)
    assert collect(conventions.find_outside_loads, pages) == []


@pytest.mark.parametrize("app", APPS)
def test_docs_have_a_page_for_every_app(app):
    page = ROOT / "docs" / "apps" / f"{app}.md"
    assert page.exists()
    assert page.read_text().startswith("# ")


def test_docs_list_exactly_the_settings_that_are_read():
    listed = SETTING_ROW_PATTERN.findall((ROOT / "docs" / "settings.md").read_text())
    assert sorted(listed) == sorted(variable.name for variable in env.VARIABLES)


def test_docs_name_only_make_targets_that_exist():
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    pages = [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]
    named = {name for page in pages for name in re.findall(r"`make ([a-z0-9-]+)", page.read_text())}
    assert named <= targets


@pytest.mark.parametrize(
    ("name", "text", "is_found"),
    [
        ("page.html", '<script src="https://cdn.example/x.js"></script>', True),
        ("page.html", "<link rel=stylesheet href=//fonts.example/x.css>", True),
        ("page.html", '<img alt="x"\n src="http://host.example/x.png">', True),
        ("page.html", '<a href="https://example.org/">documentation</a>', False),
        ("page.html", '<svg xmlns="http://www.w3.org/2000/svg"></svg>', False),
        ("style.css", "@import 'https://fonts.example/x.css';", True),
        ("style.css", "background: url(//cdn.example/x.png)", True),
        ("page.js", 'import x from "https://cdn.example/x.js"', True),
        ("page.js", "const socket = new WebSocket(`wss://other.example/`)", True),
        ("page.js", "// see https://developer.mozilla.org/", False),
    ],
)
def test_loads_from_another_host_are_found(tmp_path, name, text, is_found):
    path = tmp_path / name
    path.write_text(text)
    assert bool(conventions.find_outside_loads(path)) is is_found


@pytest.mark.parametrize(
    ("line", "is_bare"),
    [
        ("x = y  # type: ignore", True),
        ("x = y  # type: ignore[attr-defined]", True),
        ("x = y  # type: ignore[attr-defined]  # the stubs lack it", False),
        ("x = y  # noqa", True),
        ("x = y  # noqa: S104", True),
        ("x = y  # noqa: S104 - bind-all is asked for", False),
    ],
)
def test_exceptions_without_code_or_reason_are_found(tmp_path, line, is_bare):
    path = tmp_path / "module.py"
    path.write_text(line)
    patterns = (conventions.BARE_IGNORE_PATTERN, conventions.BARE_NOQA_PATTERN)
    assert any(conventions.find_lines(path, pattern) for pattern in patterns) is is_bare


@pytest.mark.parametrize(
    ("body", "is_found"),
    [
        ("    run()\n", True),
        ("    assert run()\n", False),
        ("    with pytest.raises(ValueError):\n        run()\n", False),
        ("    wait_until(run, seconds=1)\n", False),
        ("    compare(run())\ndef compare(x):\n    assert x\n", False),
        ("    compare(run())\ndef compare(x):\n    return x\n", True),
    ],
)
def test_tests_that_check_nothing_are_found(tmp_path, body, is_found):
    path = tmp_path / "test_module.py"
    path.write_text(f"def test_it():\n{body}")
    assert bool(conventions.find_tests_without_check(path)) is is_found


@pytest.mark.parametrize(
    ("source", "is_found"),
    [
        ("def test_it():\n    time.sleep(1)\n", True),
        ("async def test_it():\n    await asyncio.sleep(1)\n", True),
        ("async def test_it():\n    await asyncio.sleep(0)\n", False),
        ("async def until(condition):\n    await asyncio.sleep(0.01)\n", False),
    ],
)
def test_sleeping_tests_are_found(tmp_path: Path, source, is_found):
    path = tmp_path / "test_module.py"
    path.write_text(source)
    assert bool(conventions.find_sleeps(path)) is is_found
