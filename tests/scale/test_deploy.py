"""The files in deploy/: nginx takes its own, and the units start what `manage.py up` starts."""

import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from apps.core.clock import read_now
from apps.operations.supervisor.programs import (
    Site,
    describe_beat,
    describe_door,
    describe_web,
    describe_worker,
)
from tests.servers.nginx import MISSING, adapt_site, check_files, find_nginx, write_files
from tests.servers.stack import ROOT

UNITS = ROOT / "deploy" / "systemd"
UPSTREAMS = {"streamswarm_web": [8001, 8002], "streamswarm_door": [8101, 8102]}
PROGRAM = "/opt/streamswarm/.venv/bin/python"


def make_certificate(folder):
    """A key and a certificate that signs itself, where the site's lines look for them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "streamswarm.test")])
    now = read_now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "streamswarm.crt").write_bytes(certificate.public_bytes(pem))
    (folder / "streamswarm.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


@pytest.mark.parametrize("is_tls", [False, True])
def test_nginx_accepts_the_site_with_and_without_tls(tmp_path, is_tls):
    if find_nginx() is None:
        pytest.skip(MISSING)
    site = adapt_site(18080, UPSTREAMS)
    if is_tls:
        make_certificate(tmp_path)
        site = site.replace("#tls ", "").replace("/etc/nginx/tls", str(tmp_path))
        assert "listen 443 ssl" in site
    answer = check_files(write_files(tmp_path, site))
    assert answer.returncode == 0, answer.stderr


def read_command(unit):
    """The words of the unit's command."""
    text = (UNITS / unit).read_text().replace("\\\n", " ")
    (line,) = [line for line in text.splitlines() if line.startswith("ExecStart=")]
    return line.removeprefix("ExecStart=").split()


@pytest.fixture
def site():
    return Site(
        root=Path("/opt/streamswarm"),
        var_dir=Path("/var/lib/streamswarm"),
        host="127.0.0.1",
        port=8001,
        is_sqlite=False,
        environment={},
    )


@pytest.mark.parametrize(
    ("unit", "describe"),
    [("streamswarm-web@.service", describe_web), ("streamswarm-door@.service", describe_door)],
)
def test_the_units_of_servers_start_them_as_the_supervisor_does(site, unit, describe):
    words = [word.replace("%i", "8001") for word in read_command(unit)]
    assert words == [PROGRAM, *describe(site).argv[1:]]


def test_the_units_of_background_work_start_it_as_the_supervisor_does(site):
    assert read_command("streamswarm-beat.service")[1:] == list(describe_beat(site).argv[1:])
    words = read_command("streamswarm-worker@.service")[1:]
    wanted = list(describe_worker(site).argv[1:])
    # How many processes, and the name among the workers of other machines, are the unit's own.
    different = [word for word in wanted if word not in words]
    assert all(word.isdigit() or "@" in word for word in different)


def test_systemd_finds_no_fault_in_the_units(tmp_path):
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("no systemd on this machine")
    for unit in UNITS.iterdir():
        # Only the place of the program differs, which is not there on this machine.
        (tmp_path / unit.name).write_text(unit.read_text().replace(PROGRAM, "/bin/true"))
    names = [str(path).replace("@.", "@8001.") for path in sorted(tmp_path.glob("*.service"))]
    answer = subprocess.run(
        [verify, "verify", "--man=no", *names], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
