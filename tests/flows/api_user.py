"""An administrator who uses the server as people and programs do: by token, and by signing in."""

import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.servers.stack import ROOT

NAME = "admin"
PASSWORD = "correct horse battery staple"
MAKE_ADMIN = (
    "import sys; import django; django.setup()\n"
    "from django.core.management import call_command\n"
    "from apps.accounts.services import create_admin_from_password\n"
    f"create_admin_from_password({PASSWORD!r})\n"
    "call_command('token', 'create', *sys.argv[1:])"
)
FORM_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
API = "/api/v1"
TIMEOUT_SECONDS = 30.0


@dataclass(slots=True)
class ApiUser:
    """Calls of the REST API; every answer that is no success raises with what it said."""

    base_url: str
    token: str = field(repr=False)
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(
            base_url=self.base_url,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        )

    def get(self, path: str, **query: Any) -> Any:
        return self._read(self.http.get(f"{API}/{path}", params=query))

    def post(self, path: str, body: Any = None) -> Any:
        return self._read(self.http.post(f"{API}/{path}", json=body))

    def create_test(self, name: str, *client_ids: str, **definition: Any) -> dict[str, Any]:
        """The new test: a ping of this host, back to back, if nothing else is asked for."""
        body = {
            "name": name,
            "kind": "ping",
            "target": "127.0.0.1",
            "duration_seconds": 2,
            "sample_interval_seconds": 0.5,
            "schedule_kind": "continuous",
            "clients": list(client_ids),
            **definition,
        }
        test: dict[str, Any] = self.post("tests/", body)
        return test

    def issue_enrolment_token(self, **fields: Any) -> str:
        """The secret of a new enrolment token."""
        return str(self.post("enrolment-tokens/", {"name": "roll-out", **fields})["token"])

    def find_assignment(self, test_id: str) -> str:
        """The one assignment of a test."""
        (assignment,) = self.get("assignments/", test=test_id)["results"]
        return str(assignment["id"])

    def list_runs(self, **query: Any) -> list[dict[str, Any]]:
        """The newest runs first."""
        runs: list[dict[str, Any]] = self.get("runs/", **query)["results"]
        return runs

    def read_presence(self, client_id: str) -> str:
        return str(self.get(f"clients/{client_id}/")["presence"])

    @staticmethod
    def _read(answer: httpx.Response) -> Any:
        if not answer.is_success:
            raise RuntimeError(f"{answer.request.method} {answer.url}: {answer.text}")
        return answer.json()


def become_admin(server: Any) -> ApiUser:
    """The administrator of a running server, with a token that may do everything."""
    options = ("--user", NAME, "--name", "flows", "--scope", "read", "--scope", "write")
    secret = run_python(server.environment, "-c", MAKE_ADMIN, *options)
    return ApiUser(server.base_url, secret.strip().splitlines()[-1])


def run_python(environment: Mapping[str, str], *arguments: str) -> str:
    """What a program of the server printed."""
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout


def sign_in(base_url: str) -> str:
    """The Cookie header of a browser in which the administrator has signed in."""
    with httpx.Client(base_url=base_url, timeout=TIMEOUT_SECONDS, trust_env=False) as browser:
        form = browser.get("/accounts/login/")
        hidden = FORM_TOKEN.search(form.text)
        assert hidden is not None
        answer = browser.post(
            "/accounts/login/",
            data={"login": NAME, "password": PASSWORD, "csrfmiddlewaretoken": hidden[1]},
            headers={"Referer": f"{base_url}/accounts/login/"},
        )
        assert answer.status_code == httpx.codes.FOUND, answer.text
        return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
