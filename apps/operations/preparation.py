"""The steps of a start that need Django: the database, the first user, the local agent."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar
from uuid import UUID

from django.core.management import call_command
from django.db import Error, connections
from django.utils.translation import gettext as _

from apps.accounts.services import create_admin_from_password, issue_setup_code
from apps.clients.services import identify_key, issue_enrolment_token
from apps.core.errors import NotAuthenticated, StreamSwarmError
from apps.operations.local_agent import (
    AGENT_FOLDER,
    correct_server_address,
    describe_agent,
    describe_enrolment,
    read_identity,
)
from apps.operations.supervisor.child import Child
from apps.operations.supervisor.errors import CannotStartError
from apps.operations.supervisor.log import Report
from apps.operations.supervisor.programs import Site
from apps.tests.services import create_starter_tests
from apps.tests.services.starter import Devices

TESTS_MARK = "starter_tests"

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def close_connections_after(work: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """`work` leaving no session of its thread open, and its refusals in a starter's words."""

    @wraps(work)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return work(*args, **kwargs)
        except Error as error:
            raise CannotStartError(f"the database cannot be used: {error}".strip()) from error
        except StreamSwarmError as error:
            raise CannotStartError(str(error)) from error
        finally:
            connections.close_all()

    return run


class DjangoPreparation:
    def __init__(
        self,
        site: Site,
        *,
        admin_password: str,
        report: Report,
        devices: Devices | None = None,
    ) -> None:
        self._site = site
        self._devices = devices
        self._admin_password = admin_password
        self._report = report

    @close_connections_after
    def prepare_database(self) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        call_command("sync_schedules", verbosity=0)

    @close_connections_after
    def open_setup(self) -> str | None:
        if create_admin_from_password(self._admin_password) is not None:
            self._report("swarm", "created the user admin with the password given")
        return issue_setup_code()

    @close_connections_after
    def prepare_enrolment(self) -> Child | None:
        self._agent_folder.mkdir(mode=0o700, exist_ok=True)
        if read_identity(self._agent_folder) is not None:
            return None
        _token, secret = issue_enrolment_token(name="agent of this machine")
        return describe_enrolment(self._site, token=secret)

    @close_connections_after
    def prepare_agent(self) -> Child | str:
        identity = read_identity(self._agent_folder)
        if identity is None:
            return _("The agent of this machine could not enrol; its lines in the log say why.")
        try:
            identify_key(identity.key)
        except NotAuthenticated:
            return _(
                "The agent of this machine is left out: its key was revoked or its client deleted. "
                "To enrol it anew, remove %(folder)s and start again."
            ) % {"folder": self._agent_folder}
        correct_server_address(self._site)
        self._create_tests_once(identity.client_id)
        return describe_agent(self._site)

    @property
    def _agent_folder(self) -> Path:
        return self._site.var_dir / AGENT_FOLDER

    def _create_tests_once(self, client_id: UUID) -> None:
        mark = self._agent_folder / TESTS_MARK
        if not mark.exists():
            create_starter_tests(
                client_id=client_id, web_url=self._site.address, devices=self._devices
            )
            mark.touch()
