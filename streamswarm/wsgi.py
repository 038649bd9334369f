"""HTTP as WSGI: the agents' calls through a short chain of middleware, others through all."""

import os
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "streamswarm.settings")

AGENT_DOOR = "/api/v1/agent/"


class AgentDoorHandler(WSGIHandler):
    """Agents have no session, language, messages or frames, and send most of all requests."""

    def load_middleware(self, is_async: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's
        whole, settings.MIDDLEWARE = settings.MIDDLEWARE, settings.AGENT_DOOR_MIDDLEWARE
        try:
            super().load_middleware(is_async)
        finally:
            settings.MIDDLEWARE = whole
        # Imported late, because it needs the apps loaded.
        from apps.ingest import shortcut

        self._shortcut = shortcut
        self._headers = shortcut.list_headers()

    def __call__(  # type: ignore[override]  # parts of an answer are all that WSGI asks for
        self, environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        if self._shortcut.is_usual_upload(environ):
            answer = self._shortcut.answer_upload(environ)
            if answer is not None:
                length = ("Content-Length", str(len(answer)))
                start_response("200 OK", [*self._headers, length])
                return [answer]
        return super().__call__(environ, start_response)


whole_site = get_wsgi_application()
agent_door = AgentDoorHandler()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    handler = agent_door if environ["PATH_INFO"].startswith(AGENT_DOOR) else whole_site
    return handler(environ, start_response)
