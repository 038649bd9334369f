"""The agents' door: enrolment, heartbeats, leases, records and configuration."""

import hashlib
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiExample, extend_schema
from msgspec import Meta
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.clients.models import Client
from apps.clients.services import Heartbeat, enrol_client, record_heartbeat
from apps.configuration.selectors import read_settings
from apps.core.addresses import read_client_address
from apps.core.clock import format_moment, read_now
from apps.core.database import translate_faults
from apps.core.errors import FieldError, Invalid, NotAuthenticated
from apps.ingest import checks, codec, openapi, structures
from apps.ingest.authentication import (
    AgentAuthentication,
    AgentIdentity,
    IsAgent,
    identify_agent,
)
from apps.ingest.shortcut import raise_failure, store_upload
from apps.metrics.services import DOCUMENT_KINDS
from apps.tests.services import grant_lease, mark_running

Finite = Annotated[float, Meta(ge=-1e11, le=1e11)]


class EnrolBody(msgspec.Struct, frozen=True):
    token: Annotated[str, Meta(min_length=1, max_length=200)]
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    agent_version: Annotated[str, Meta(max_length=32)]
    inventory: dict[str, Any]


class HeartbeatBody(msgspec.Struct, frozen=True):
    sent_at: Annotated[datetime, Meta(tz=True)]
    boot_id: structures.Text64
    boot_counter: structures.Sequence63
    agent_version: Annotated[str, Meta(max_length=32)]
    inventory_hash: Annotated[str, Meta(max_length=16)] = ""
    spool_depth: structures.Sequence63 = 0
    spool_dropped: structures.Sequence63 = 0
    running: Annotated[list[UUID], Meta(max_length=1000)] = []
    clock_offset_seconds: Finite | None = None
    clock_error_seconds: Finite | None = None


class LeaseBody(msgspec.Struct, frozen=True):
    horizon_seconds: Annotated[float, Meta(ge=1, le=86400)]


class BodyParser(BaseParser):
    """The bounded plain bytes of a JSON body, gzip or not; views decode them by structure."""

    media_type = "application/json"

    def parse(  # type: ignore[override]  # bytes go on to a structure, not to a serializer
        self, stream: Any, media_type: str | None = None, parser_context: Any = None
    ) -> bytes:
        return codec.read_request(stream, parser_context["request"].META)


class AgentView(APIView):
    authentication_classes = [AgentAuthentication]
    permission_classes = [IsAgent]
    parser_classes = [BodyParser]


def read_body(request: Request) -> bytes:
    body: Any = request.data
    # A request without a body never reaches the parser.
    return body if isinstance(body, bytes) else b""


def decode_body(request: Request, body_type: type[structures.Data]) -> structures.Data:
    """The request's body as `body_type`.

    Raises: Invalid naming the field and the limit it broke.
    """
    try:
        body = msgspec.json.decode(read_body(request), type=body_type)
        checks.check_tree(msgspec.to_builtins(body), "body")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        field, detail = codec.explain(error)
        raise Invalid([FieldError(field, "malformed", detail)]) from error
    except RecursionError as error:
        refusal = checks.too_deep("body")
        raise Invalid([FieldError(refusal.field, refusal.code, refusal.detail)]) from error
    except checks.RecordRefused as refusal:
        raise Invalid([FieldError(refusal.field, refusal.code, refusal.detail)]) from refusal
    return body


def identity_of(request: Request) -> AgentIdentity:
    identity: Any = request.user
    if not isinstance(identity, AgentIdentity):
        raise NotAuthenticated("key_unknown", "This call needs an agent key.")
    return identity


def load_client(request: Request) -> Client:
    client = Client.objects.filter(id=identity_of(request).client_id).first()
    if client is None:
        raise NotAuthenticated("key_unknown", "This agent's client was deleted; enrol again.")
    return client


class EnrolView(AgentView):
    authentication_classes = []
    permission_classes = []

    @extend_schema(
        tags=["agent"],
        operation_id="agent_enrol",
        summary="Exchange a one-time token for a key",
        auth=[],
        request=openapi.as_json(openapi.describe_body(EnrolBody)),
        responses={201: openapi.ENROL_ANSWER},
    )
    def post(self, request: Request) -> Response:
        body = decode_body(request, EnrolBody)
        name = body.name.strip()
        if not name or not name.isprintable():
            detail = "must have 1 to 100 characters, none of them a control character"
            raise Invalid([FieldError("name", "malformed", detail)])
        check_inventory(body.inventory)
        with translate_faults():
            issued = enrol_client(
                token_secret=body.token,
                name=name,
                agent_version=body.agent_version,
                inventory=body.inventory,
                address=read_client_address(request),
            )
        answer = {
            "client_id": str(issued.client.id),
            "name": issued.client.name,
            "key": issued.secret,
            "server_time": format_moment(read_now()),
        }
        return Response(answer, status=201)


def check_inventory(inventory: dict[str, Any]) -> None:
    try:
        msgspec.convert(inventory, structures.InventoryData)
    except msgspec.ValidationError as error:
        field, detail = codec.explain(error)
        raise Invalid([FieldError(f"inventory.{field}", "malformed", detail)]) from error


class HeartbeatView(AgentView):
    @extend_schema(
        tags=["agent"],
        operation_id="agent_heartbeat",
        summary="Report presence and exchange clocks",
        request=openapi.as_json(openapi.describe_body(HeartbeatBody)),
        responses={200: openapi.HEARTBEAT_ANSWER},
    )
    def post(self, request: Request) -> Response:
        received_at = read_now()
        body = decode_body(request, HeartbeatBody)
        with translate_faults():
            client = load_client(request)
            record_heartbeat(
                client=client,
                heartbeat=Heartbeat(
                    agent_version=body.agent_version,
                    boot_id=body.boot_id,
                    boot_counter=body.boot_counter,
                    spool_depth=body.spool_depth,
                    spool_dropped=body.spool_dropped,
                    clock_offset_seconds=body.clock_offset_seconds,
                    clock_error_seconds=body.clock_error_seconds,
                    address=read_client_address(request),
                ),
            )
            if body.running:
                mark_running(client_id=client.id, run_ids=body.running, at=received_at)
        return Response(
            {
                "received_at": format_moment(received_at),
                "answered_at": format_moment(read_now()),
                "heartbeat_seconds": settings.SWARM_HEARTBEAT_SECONDS,
                "config_etag": describe_config()[0],
                "schedule_revision": client.schedule_revision,
                "is_inventory_wanted": client.inventory_hash != body.inventory_hash,
            }
        )


class LeaseView(AgentView):
    @extend_schema(
        tags=["agent"],
        operation_id="agent_leases",
        summary="Fetch the runs inside the horizon",
        request=openapi.as_json(openapi.describe_body(LeaseBody)),
        responses={200: openapi.LEASE_ANSWER},
    )
    def post(self, request: Request) -> Response:
        body = decode_body(request, LeaseBody)
        with translate_faults():
            lease = grant_lease(client=load_client(request), horizon_seconds=body.horizon_seconds)
        return Response(lease.as_document())


class RecordsView(AgentView):
    def dispatch(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponseBase:
        raise_failure(request.META)
        # The REST framework has nothing to decide about JSON; whatever else comes goes its way.
        if request.method == "POST" and request.content_type == BodyParser.media_type:
            identity = identify_agent(request.META.get("HTTP_AUTHORIZATION", ""))
            answer = store_upload(identity, codec.read_request(request, request.META))
            return HttpResponse(msgspec.json.encode(answer), content_type=BodyParser.media_type)
        response: HttpResponseBase = super().dispatch(request, *args, **options)
        return response

    @extend_schema(
        tags=["agent"],
        operation_id="agent_records",
        summary="Upload a batch of records",
        description="Plain or gzip (`Content-Encoding: gzip`). What is answered as stored is "
        "committed; a refused record never harms its neighbours.",
        request=openapi.as_json(openapi.RECORDS_BODY),
        responses={200: openapi.RECORDS_ANSWER},
        examples=[
            OpenApiExample("one frame", value=openapi.RECORDS_EXAMPLE, request_only=True),
            OpenApiExample(
                "one stored, one refused",
                value=openapi.RECORDS_ANSWER_EXAMPLE,
                response_only=True,
            ),
        ],
    )
    def post(self, request: Request) -> Response:
        return Response(store_upload(identity_of(request), read_body(request)))


class ConfigView(AgentView):
    @extend_schema(
        tags=["agent"],
        operation_id="agent_config",
        summary="Fetch collectors, intervals and policy",
        description="With `If-None-Match`, 304 when nothing changed.",
        responses={200: openapi.CONFIG_ANSWER},
    )
    def get(self, request: Request) -> Response:
        etag, document = describe_config()
        if request.META.get("HTTP_IF_NONE_MATCH", "") == f'"{etag}"':
            return Response(status=304, headers={"ETag": f'"{etag}"'})
        return Response(document, headers={"ETag": f'"{etag}"'})


LEASE_SECONDS = 10
COLLECTORS = ("host", "cpu", "filesystem", "disk", "hardware", "agent")
NETWORK_COLLECTORS = ("interface", "network", "wifi")
DOCUMENT_SECONDS = 60
DENIED_NETWORKS = ("169.254.0.0/16", "fe80::/10")


def describe_config() -> tuple[str, dict[str, Any]]:
    """The configuration of every agent and its ETag."""
    intervals = read_settings(["host_interval_seconds", "network_interval_seconds"])
    collector = {"interval_seconds": intervals["host_interval_seconds"], "is_enabled": True}
    network = {**collector, "interval_seconds": intervals["network_interval_seconds"]}
    documents = {"interval_seconds": DOCUMENT_SECONDS, "is_enabled": True}
    document = {
        "heartbeat_seconds": settings.SWARM_HEARTBEAT_SECONDS,
        "lease_seconds": LEASE_SECONDS,
        "collectors": {
            **dict.fromkeys(COLLECTORS, collector),
            **dict.fromkeys(NETWORK_COLLECTORS, network),
            **dict.fromkeys(DOCUMENT_KINDS, documents),
        },
        "upload": {"stream_seconds": 1, "idle_seconds": 10},
        "policy": {"denied_networks": list(DENIED_NETWORKS)},
    }
    return hashlib.sha256(msgspec.json.encode(document)).hexdigest()[:16], document
