"""The house rules that no linter knows, each as a function from sources to what breaks them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON_FOLDERS = ("apps", "streamswarm", "agent", "benchmarks", "scripts", "tests")
TEXT_FOLDERS = (*PYTHON_FOLDERS, "templates", "static", "docs")
TEXT_SUFFIXES = frozenset({".css", ".html", ".js", ".md", ".py", ".sh", ".svg", ".toml"})
LONGEST_FUNCTION_LINES = 60
LONGEST_FILE_LINES = 500
LONGEST_SCRIPT_LINES = 150
VAGUE_NAMES = frozenset({"utils", "util", "helpers", "common", "manager", "data", "info", "misc"})
CHECKING_PREFIXES = ("assert_", "check_", "expect_", "until", "wait_until", "wait_for")

UNFINISHED_PATTERN = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
BARE_IGNORE_PATTERN = re.compile(r"#\s*type:\s*ignore(?!\[[\w,\- ]+\]\s+#\s*\w)")
BARE_NOQA_PATTERN = re.compile(r"#\s*noqa(?!: [A-Z]+\d+(, ?[A-Z]+\d+)*\s+\S)")
LOADING_TAG_PATTERN = re.compile(
    r"<(?!a\b)[a-z][^>]*?\s(?:src|href|action|srcset|poster|data|hx-get|hx-post)\s*=\s*"
    r"[\"']?\s*(?:https?:)?//[^\"'\s>]+",
    re.IGNORECASE | re.DOTALL,
)
LOADING_STYLE_PATTERN = re.compile(r"(?:url\(|@import)\s*[\"']?\s*(?:https?:)?//[^\s\"')]+")
LOADING_SCRIPT_PATTERN = re.compile(
    r"(?:\bfrom|\bimport|\bimport\(|\bfetch\(|\bWebSocket\(|\bEventSource\()\s*"
    r"[\"'`](?:(?:https?|wss?):)?//[^\"'`]+"
)


def list_files(*folders: str, suffixes: frozenset[str]) -> list[Path]:
    return sorted(
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.suffix in suffixes and "__pycache__" not in path.parts and path.is_file()
    )


def list_python_files() -> list[Path]:
    return [*list_files(*PYTHON_FOLDERS, suffixes=frozenset({".py"})), ROOT / "manage.py"]


def name_file(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def list_functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def find_long_functions(path: Path) -> list[str]:
    lengths = ((node, node.end_lineno - node.lineno + 1) for node in list_functions(path))
    return [
        f"{name_file(path)}:{node.lineno} {node.name} has {length} lines"
        for node, length in lengths
        if length > LONGEST_FUNCTION_LINES
    ]


def find_long_file(path: Path, longest: int = LONGEST_FILE_LINES) -> list[str]:
    length = len(path.read_text().splitlines())
    return [f"{name_file(path)} has {length} lines"] if length > longest else []


def find_vague_name(path: Path) -> list[str]:
    names = {*path.relative_to(ROOT).parts[:-1], path.stem}
    return [f"{name_file(path)} is called {name}" for name in sorted(names & VAGUE_NAMES)]


def find_lines(path: Path, pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name_file(path)}:{number} {line.strip()}"
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if pattern.search(line)
    ]


def name_call(node: ast.Call) -> str:
    """The called name as written: `time.sleep`, `check_rows`."""
    return ast.unparse(node.func)


def is_checking(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return True
    if not isinstance(node, ast.Call):
        return False
    name = name_call(node)
    last = name.rpartition(".")[2]
    return last.startswith(CHECKING_PREFIXES) or name in {"pytest.raises", "pytest.fail", "expect"}


def is_test(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return node.name.startswith("test_")


def find_tests_without_check(path: Path) -> list[str]:
    """Tests that neither assert nor call a function of their own module that does."""
    functions = list(list_functions(path))
    checking = {node.name for node in functions if any(map(is_checking, ast.walk(node)))}
    return [
        f"{name_file(path)}:{node.lineno} {node.name} checks nothing"
        for node in functions
        if is_test(node) and node.name not in checking and checking.isdisjoint(list_calls(node))
    ]


def list_calls(node: ast.AST) -> set[str]:
    return {name_call(call) for call in ast.walk(node) if isinstance(call, ast.Call)}


def find_sleeps(path: Path) -> list[str]:
    """Calls of `time.sleep` anywhere, and of `asyncio.sleep` in a test itself.

    A loop that polls until a deadline may pause, so a helper of async tests may use the latter.
    """
    found = []
    for node in list_functions(path):
        for call in ast.walk(node):
            if not isinstance(call, ast.Call):
                continue
            is_blocking = name_call(call) in {"time.sleep", "sleep"}
            is_waiting = name_call(call) == "asyncio.sleep" and ast.unparse(call.args[0]) != "0"
            if is_blocking or (is_waiting and is_test(node)):
                found.append(f"{name_file(path)}:{call.lineno} {ast.unparse(call)}")
    return found


def find_outside_loads(path: Path) -> list[str]:
    """What a page would load from another host: nothing may, links people click excepted."""
    text = path.read_text()
    patterns = [LOADING_STYLE_PATTERN, LOADING_SCRIPT_PATTERN]
    if path.suffix in {".html", ".svg"}:
        patterns.append(LOADING_TAG_PATTERN)
    return [
        f"{name_file(path)}: {' '.join(match[0].split())}"
        for pattern in patterns
        for match in pattern.finditer(text)
    ]
