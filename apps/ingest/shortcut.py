"""Uploads that go well are answered without the framework, which has nothing to decide about them.

Whatever is unlike most uploads, or fails, is the framework's: it turns a failure into an answer.
"""

import time
from typing import Any

import msgspec
from django.conf import settings
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port, validate_host
from django.middleware.security import SecurityMiddleware

from apps.core.database import TRUST
from apps.core.measuring import REQUEST_SECONDS
from apps.ingest import codec
from apps.ingest.authentication import AgentIdentity, identify_agent
from apps.ingest.services import store_batch

JSON_TYPE = "application/json"
RECORDS_ROUTE = "api/v1/agent/records"
# No header can have such a name in a WSGI environment.
FAILURE = "streamswarm.failure"


def is_usual_upload(environ: dict[str, Any]) -> bool:
    """Whether the WSGI request is what agents send, for a host of this site."""
    return (
        environ["PATH_INFO"] == f"/{RECORDS_ROUTE}"
        and environ["REQUEST_METHOD"] == "POST"
        and environ.get("CONTENT_TYPE") == JSON_TYPE
        and validate_host(
            split_domain_port(environ.get("HTTP_HOST", ""))[0], settings.ALLOWED_HOSTS
        )
    )


def answer_upload(environ: dict[str, Any]) -> bytes | None:
    """The JSON that says what became of each record.

    None for a failure, which then stands in the environment for `raise_failure`.
    """
    began = time.perf_counter()
    close_old_connections()
    TRUST.spare_question()
    try:
        identity = identify_agent(environ.get("HTTP_AUTHORIZATION", ""))
        body = codec.read_request(environ["wsgi.input"], environ)
        answer = msgspec.json.encode(store_upload(identity, body))
    except Exception as error:  # noqa: BLE001 - raised again where the framework answers and logs it
        TRUST.note(has_worked=False)
        environ[FAILURE] = error
        return None
    TRUST.note(has_worked=True)
    REQUEST_SECONDS.labels("POST", RECORDS_ROUTE, "200").observe(time.perf_counter() - began)
    return answer


def raise_failure(environ: dict[str, Any]) -> None:
    """Raises what `answer_upload` failed with, if it did."""
    failure: Exception | None = environ.get(FAILURE)
    if failure is not None:
        raise failure


def store_upload(identity: AgentIdentity, body: bytes) -> dict[str, Any]:
    batch = codec.decode_batch(body)
    return store_batch(client_id=identity.client_id, batch=batch).as_document()


def list_headers() -> list[tuple[str, str]]:
    """The headers of such an answer: those that the framework gives every answer."""
    request = HttpRequest()
    # Behind a proxy agents come over TLS, else this says nothing.
    request.META["HTTP_X_FORWARDED_PROTO"] = "https"
    security = SecurityMiddleware(lambda _request: HttpResponse())
    response = security.process_response(request, HttpResponse(content_type=JSON_TYPE))
    return list(response.headers.items())
