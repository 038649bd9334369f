"""The API refuses what it does not know: a misspelt filter would filter nothing."""

from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.filters import BaseFilterBackend
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.core.errors import FieldError, Invalid

GENERAL_PARAMETERS = ("ordering", "page", "page_size", "fields")


class KnownParameters(BaseFilterBackend):
    """Query parameters that a list does not know are refused, and the known ones named.

    A view names in `own_parameters` what it reads by itself.
    """

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: APIView
    ) -> QuerySet[Any]:
        filterset = DjangoFilterBackend().get_filterset_class(view, queryset)
        filters = filterset.base_filters if filterset else ()
        known = [*filters, *getattr(view, "own_parameters", ()), *GENERAL_PARAMETERS]
        unknown = [name for name in request.query_params if name not in known]
        if unknown and request.method in SAFE_METHODS:
            detail = f"is unknown here; known are {', '.join(known)}"
            raise Invalid([FieldError(name or "query", "unknown", detail) for name in unknown])
        return queryset
