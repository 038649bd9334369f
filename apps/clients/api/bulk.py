"""One action on many clients."""

from functools import partial
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.policy import AnyUser, Permission
from apps.clients.api.filters import ClientFilter
from apps.clients.api.serializers import BulkReportSerializer, BulkSerializer
from apps.clients.models import Client
from apps.clients.selectors import list_clients, pick_clients, require_place
from apps.clients.services import MAXIMUM_CLIENTS, BulkAction, act_on_clients


class BulkActions:
    """An action of a viewset of clients."""

    @extend_schema(
        tags=["clients"],
        summary="Do one thing to many clients",
        description="Each client is changed in a transaction of its own; the answer names those "
        f"that refused. At most {MAXIMUM_CLIENTS} clients, which you operate. "
        "A filter with a member that the list does not know is refused, and so is one that narrows "
        'nothing, unless it says `"everything": true`.',
        request=BulkSerializer,
        responses=BulkReportSerializer,
        examples=[
            OpenApiExample(
                "tag what is offline in Vienna",
                value={
                    "action": "add_tags",
                    "filter": {"site": "vienna", "presence": "offline"},
                    "tags": ["check"],
                },
                request_only=True,
            ),
            OpenApiExample(
                "one refused",
                value={
                    "done": 41,
                    "refused": [
                        {
                            "id": "7b5b2c1e-4a39-4b0e-9d5c-0f2a1b3c4d5e",
                            "name": "probe-7",
                            "code": "refused",
                            "detail": "Your role does not reach clients with that site.",
                        }
                    ],
                },
                response_only=True,
            ),
        ],
    )
    @action(detail=False, methods=["post"], pagination_class=None, filter_backends=[])
    def bulk(self, request: Request) -> Response:
        asked = BulkSerializer(data=request.data, context={"request": request})
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        report = act_on_clients(
            clients=find_clients(request.user, wanted),
            action=BulkAction(wanted["action"], wanted.get("tags", ()), wanted.get("site")),
            check_place=partial(require_place, request.user),
        )
        return Response(BulkReportSerializer(report).data)


def find_clients(user: AnyUser, wanted: dict[str, Any]) -> list[Client]:
    """The clients meant, those of a filter only as far as the user operates them."""
    if "clients" in wanted:
        return pick_clients(user, wanted["clients"])
    rows = ClientFilter(wanted["filter"], queryset=list_clients(user, Permission.OPERATE)).qs
    # One more than allowed is enough to be refused.
    return list(rows[: MAXIMUM_CLIENTS + 1])
