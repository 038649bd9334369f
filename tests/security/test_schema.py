"""Requests that schemathesis derives from our OpenAPI schema, sent as an operator."""

import pytest
import requests
import schemathesis
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig

from tests.security import hostile

pytestmark = pytest.mark.django_db

ADDRESS = "http://testserver"
# Doors that rightly answer 401: to credentials nobody has, and to who just ended the own session.
MAY_ANSWER_401 = ("/api/v1/jwt/", "/api/v1/sessions/")
DOCUMENT = SchemaGenerator().get_schema(request=None, public=True)
# The systematic phase draws a hundred requests an operation, whatever the profile says.
CONFIG = SchemathesisConfig.from_dict({"phases": {"coverage": {"enabled": hostile.is_long()}}})
# Agents have keys of their own; test_door.py is about them.
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=CONFIG).exclude(
    path_regex="^/api/v1/agent/"
)


def without(headers, *names):
    return {name: value for name, value in headers.items() if name.lower() not in names}


@SCHEMA.parametrize()
@settings(suppress_health_check=list(HealthCheck), max_examples=hostile.scale_examples(0.03))
def test_what_the_schema_allows_and_forbids_is_answered(case, operator):
    asked = requests.Request(**case.as_transport_kwargs(base_url=ADDRESS)).prepare()
    answer = operator.generic(
        asked.method,
        asked.path_url,
        asked.body or b"",
        content_type=asked.headers.pop("Content-Type", "application/json"),
        # Those of the schema's security would take the place of the operator's session.
        headers=without(asked.headers, "authorization", "cookie"),
    )
    assert answer.status_code < 500, answer.content
    assert answer.status_code != 401 or asked.path_url.startswith(MAY_ANSWER_401)
