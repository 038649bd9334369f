import asyncio
import io
import json
import os
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from apps.operations.supervisor import programs
from apps.operations.supervisor.errors import CannotStartError
from apps.operations.supervisor.gates import answers_http, answers_redis_ping
from apps.operations.supervisor.lock import check_address_is_free, hold_lock, is_locked
from apps.operations.supervisor.log import LOG_NAME, LogFile, open_log
from apps.operations.supervisor.programs import Site
from apps.operations.supervisor.status import (
    LOCK_NAME,
    STATUS_NAME,
    ChildState,
    ChildStatus,
    read_status,
    write_status,
)


def make_site(tmp_path, **changes):
    values = {
        "root": Path("/srv/streamswarm"),
        "var_dir": tmp_path,
        "host": "127.0.0.1",
        "port": 8000,
        "is_sqlite": True,
        "environment": {"PATH": os.environ["PATH"]},
    }
    return Site(**{**values, **changes})


def test_a_second_holder_of_the_lock_is_refused_and_told_who_has_it(tmp_path):
    path = tmp_path / LOCK_NAME
    code = (
        "import sys; from pathlib import Path\n"
        "from apps.operations.supervisor.lock import hold_lock\n"
        "with hold_lock(Path(sys.argv[1])): pass"
    )
    with hold_lock(path):
        assert is_locked(path)
        result = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
        )
    assert f"already running with the folder {tmp_path} (process {os.getpid()})" in result.stderr
    assert not is_locked(path)


def test_a_lock_can_be_taken_again_after_it_was_let_go(tmp_path):
    path = tmp_path / LOCK_NAME
    with hold_lock(path):
        pass
    with hold_lock(path):
        assert path.read_text() == f"{os.getpid()}\n"


def test_a_port_in_use_is_refused_with_the_settings_that_help():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(CannotStartError, match=rf"127\.0\.0\.1 port {port}.*SWARM_PORT"):
            check_address_is_free("127.0.0.1", port)
    check_address_is_free("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(CannotStartError, match=r"192\.0\.2\.1 port 8000"):
        check_address_is_free("192.0.2.1", 8000)


def test_the_status_is_read_as_it_was_written(tmp_path):
    child = ChildStatus(
        name="web",
        state=ChildState.WAITING,
        restart_count=2,
        started_at=1.5,
        last_exit="signal SIGKILL",
        last_exit_at=2.5,
    )
    write_status(tmp_path, address="http://127.0.0.1:8000", children=[child], messages=["note"])
    status = read_status(tmp_path)
    assert status.children == (child,)
    assert (status.address, status.messages) == ("http://127.0.0.1:8000", ("note",))
    assert status.process_id == os.getpid()
    assert not status.is_running
    with hold_lock(tmp_path / LOCK_NAME):
        assert read_status(tmp_path).is_running


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"children": [{"state": "odd"}]}'])
def test_a_missing_or_damaged_status_is_none(tmp_path, content):
    if content is not None:
        (tmp_path / STATUS_NAME).write_text(content)
    assert read_status(tmp_path) is None


def test_every_line_of_the_log_has_time_and_name_and_only_the_owner_may_read_it(tmp_path):
    screen = io.StringIO()
    previous = os.umask(0o077)
    try:
        report = open_log(LogFile(tmp_path / "log" / LOG_NAME), screen)
        report("web", "100 % ready")
    finally:
        os.umask(previous)
    path = tmp_path / "log" / LOG_NAME
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ web {6}100 % ready\n", screen.getvalue())
    assert path.read_text() == screen.getvalue()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def answer_once(answer, **address):
    async def handle(reader, writer):
        await reader.readline()
        writer.write(answer)
        await writer.drain()
        writer.close()

    if "path" in address:
        return await asyncio.start_unix_server(handle, **address)
    return await asyncio.start_server(handle, **address)


@pytest.mark.parametrize(
    ("answer", "is_open"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False),
        (b"HTTP/1.1 301 Moved\r\n\r\n", False),
        (b"", False),
        (b"nonsense\r\n", False),
    ],
)
async def test_the_web_gate_opens_for_200_only(answer, is_open):
    async with await answer_once(answer, host="127.0.0.1", port=0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await answers_http("127.0.0.1", port, "/readyz")() is is_open


async def test_a_gate_stays_shut_while_nothing_listens(tmp_path):
    assert not await answers_redis_ping(tmp_path / "redis.sock")()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert not await answers_http("127.0.0.1", port, "/")()


@pytest.mark.parametrize(("answer", "is_open"), [(b"+PONG\r\n", True), (b"-LOADING\r\n", False)])
async def test_the_redis_gate_opens_for_a_pong(tmp_path, answer, is_open):
    path = tmp_path / "redis.sock"
    async with await answer_once(answer, path=path):
        assert await answers_redis_ping(path)() is is_open


def test_redis_listens_on_a_private_socket_only_and_never_evicts(tmp_path):
    child = programs.describe_redis(make_site(tmp_path))
    options = dict(zip(child.argv[1::2], child.argv[2::2], strict=True))
    assert options["--port"] == "0"
    assert options["--unixsocket"] == f"{tmp_path}/redis/redis.sock"
    assert options["--unixsocketperm"] == "700"
    assert options["--maxmemory-policy"] == "noeviction"
    assert stat.S_IMODE((tmp_path / "redis").stat().st_mode) == 0o700


def test_a_folder_too_deep_for_a_socket_is_refused_in_words(tmp_path):
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    with pytest.raises(CannotStartError, match=r"too long.*SWARM_VAR_DIR"):
        programs.describe_redis(make_site(deep))


def test_redis_comes_from_the_packages_when_the_system_has_none(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    program = programs.find_redis_program()
    shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("Redis server")


def test_the_system_redis_is_preferred(monkeypatch, tmp_path):
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert programs.find_redis_program() == program


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),  # noqa: S104 - listening everywhere is the case
        ("::", "http://[::1]:8000"),
        ("192.0.2.7", "http://192.0.2.7:8000"),
    ],
)
def test_the_address_is_one_this_machine_can_open(tmp_path, host, address):
    assert make_site(tmp_path, host=host).address == address


def test_sqlite_gets_one_worker_process_and_postgresql_several(tmp_path):
    assert "solo" in programs.describe_worker(make_site(tmp_path)).argv
    argv = programs.describe_worker(make_site(tmp_path, is_sqlite=False)).argv
    assert int(argv[argv.index("--concurrency") + 1]) >= 1


def test_programs_learn_the_settings_of_the_one_that_starts_them(tmp_path):
    environment = programs.build_environment(
        {"DATABASE_URL": "sqlite:///x", "SWARM_PORT": "1"}, var_dir=tmp_path, host="::", port=81
    )
    assert environment["DATABASE_URL"] == "sqlite:///x"
    assert json.loads(environment["SWARM_PORT"]) == 81
    assert environment["SWARM_VAR_DIR"] == str(tmp_path)
