"""nginx of the tests' own: the file that people are given, on ports and folders of the test."""

import re
import shutil
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from apps.operations.supervisor.child import build_launch_argv
from apps.operations.supervisor.programs import Child
from tests.servers.stack import ROOT
from tests.servers.waiting import wait_until

SITE_FILE = ROOT / "deploy" / "nginx.conf"
PLACES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin")
INSTALL_LINE = "apt-get install -y --no-install-recommends nginx-light"
MISSING = f"no nginx on this machine (Debian: {INSTALL_LINE})"
START_SECONDS = 30
UPSTREAM_SERVERS = re.compile(r"(upstream (\w+) \{[^}]*?)((?:\s+server [^;]+;)+)")
TEMPORARY_FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
MAIN_FILE = """
daemon off;
error_log {folder}/error.log;
pid {folder}/pid;
events {{ worker_connections 4096; }}
http {{
    {temporary_paths}
    log_format places '$upstream_addr $status $uri';
    access_log {folder}/access.log places;
    include {folder}/site.conf;
}}
"""


def find_nginx() -> str | None:
    on_path = shutil.which("nginx")
    places = (Path(folder) / "nginx" for folder in PLACES)
    return on_path or next((str(place) for place in places if place.exists()), None)


def write_files(folder: Path, site: str) -> Path:
    """The main file that includes the site and writes nothing outside of the folder."""
    (folder / "site.conf").write_text(site)
    paths = (f"{name}_temp_path {folder}/{name};" for name in TEMPORARY_FOLDERS)
    main = folder / "nginx.conf"
    main.write_text(MAIN_FILE.format(folder=folder, temporary_paths=" ".join(paths)))
    return main


def adapt_site(port: int, upstreams: Mapping[str, Sequence[int]]) -> str:
    """The delivered file, listening on the port and passing on to the ports of each upstream."""

    def name_servers(match: re.Match[str]) -> str:
        lines = (
            f"\n    server 127.0.0.1:{port} max_fails=2 fail_timeout=5s;"
            for port in upstreams[match[2]]
        )
        return match[1] + "".join(lines)

    site = SITE_FILE.read_text().replace("listen 80;", f"listen 127.0.0.1:{port};")
    return UPSTREAM_SERVERS.sub(name_servers, site)


def check_files(main: Path) -> subprocess.CompletedProcess[str]:
    """What `nginx -t` says of them."""
    argv = [find_nginx(), "-t", "-p", main.parent, "-e", main.parent / "error.log", "-c", main]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running one; it knows who answered what."""

    port: int
    folder: Path

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count_answers(self, path: str) -> Counter[int]:
        """Successful answers to requests of that path, by the port of the process."""
        counts: Counter[int] = Counter()
        for line in (self.folder / "access.log").read_text().splitlines():
            address, status, seen = line.rsplit(" ", 2)
            if seen.startswith(path) and status.startswith(("1", "2", "3")):
                counts[int(address.rpartition(":")[2])] += 1
        return counts


def is_listening(port: int) -> bool:
    with socket.socket() as candidate:
        return candidate.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def run_nginx(folder: Path, port: int, upstreams: Mapping[str, Sequence[int]]) -> Iterator[Nginx]:
    folder.mkdir()
    main = write_files(folder, adapt_site(port, upstreams))
    program = find_nginx()
    if program is None:
        raise RuntimeError(MISSING)
    argv = (program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(main))
    child = Child(name="nginx", argv=argv, environment={}, folder=folder)
    process = subprocess.Popen(build_launch_argv(child), cwd=folder, start_new_session=True)
    try:
        wait_until(lambda: is_listening(port), seconds=START_SECONDS, what="nginx")
        yield Nginx(port, folder)
    finally:
        process.terminate()
        process.wait()
