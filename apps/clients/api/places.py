from functools import cache, partial
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apps.accounts.policy import Permission, require
from apps.clients.api.filters import SiteFilter, TagFilter
from apps.clients.api.serializers import (
    SiteChangeSerializer,
    SiteSerializer,
    TagChangeSerializer,
    TagSerializer,
)
from apps.clients.models import Site, Tag
from apps.clients.selectors import count_clients, list_sites, list_tags
from apps.clients.services import (
    change_site,
    change_tag,
    create_site,
    create_tag,
    delete_site,
    delete_tag,
)


@extend_schema_view(
    list=extend_schema(tags=["clients"], summary="List the sites"),
    retrieve=extend_schema(tags=["clients"], summary="Show a site"),
    create=extend_schema(
        tags=["clients"],
        summary="Make a site",
        description="The short name never changes; a latitude comes with a longitude.",
        responses={201: SiteSerializer},
        examples=[
            OpenApiExample(
                "with a position",
                value={"slug": "vienna", "name": "Wien", "latitude": 48.21, "longitude": 16.37},
                request_only=True,
            )
        ],
    ),
    partial_update=extend_schema(
        tags=["clients"],
        summary="Change a site",
        request=SiteChangeSerializer,
        responses=SiteSerializer,
    ),
    destroy=extend_schema(tags=["clients"], summary="Delete a site without clients"),
)
class SiteViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Site]):
    """Sites are everybody's, so only who operates everything changes them."""

    queryset = Site.objects.none()
    serializer_class = SiteSerializer
    lookup_field = "id"
    lookup_value_converter = "int"
    filterset_class = SiteFilter
    ordering_fields = ["slug", "name", "latitude", "longitude"]

    def get_queryset(self) -> QuerySet[Site]:
        return list_sites(self.request.user)

    def get_serializer_context(self) -> dict[str, Any]:
        context = super().get_serializer_context()
        return {**context, "counts": cache(partial(count_clients, self.request.user, "site_id"))}

    def create(self, request: Request) -> Response:
        require(request.user, Permission.OPERATE, is_everywhere=True)
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(self.get_serializer(create_site(**asked.validated_data)).data, status=201)

    def partial_update(self, request: Request, id: int) -> Response:
        require(request.user, Permission.OPERATE, is_everywhere=True)
        site = self.get_object()
        context = self.get_serializer_context()
        asked = SiteChangeSerializer(site, data=request.data, partial=True, context=context)
        asked.is_valid(raise_exception=True)
        kept: dict[str, Any] = {
            "name": site.name,
            "latitude": site.latitude,
            "longitude": site.longitude,
        }
        change_site(site=site, **{**kept, **asked.validated_data})
        return Response(self.get_serializer(self.get_object()).data)

    def destroy(self, request: Request, id: int) -> Response:
        require(request.user, Permission.OPERATE, is_everywhere=True)
        delete_site(site=self.get_object())
        return Response(status=204)


@extend_schema_view(
    list=extend_schema(tags=["clients"], summary="List the tags"),
    retrieve=extend_schema(tags=["clients"], summary="Show a tag"),
    create=extend_schema(
        tags=["clients"],
        summary="Make a tag",
        description="Whoever selects the parent also selects the clients of this tag.",
        responses={201: TagSerializer},
        examples=[
            OpenApiExample(
                "below another",
                value={"slug": "vienna", "name": "Vienna", "parent": "europe"},
                request_only=True,
            )
        ],
    ),
    partial_update=extend_schema(
        tags=["clients"],
        summary="Rename a tag, or move it below another",
        description="Its clients and all tags below it come along; a circle is refused.",
        request=TagChangeSerializer,
        responses=TagSerializer,
    ),
    destroy=extend_schema(tags=["clients"], summary="Delete a tag that has none below it"),
)
class TagViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Tag]):
    """Tags are everybody's, so only who operates everything changes them."""

    queryset = Tag.objects.none()
    serializer_class = TagSerializer
    lookup_field = "id"
    lookup_value_converter = "int"
    filterset_class = TagFilter
    ordering_fields = ["slug", "name", "parent__slug"]

    def get_queryset(self) -> QuerySet[Tag]:
        return list_tags(self.request.user).select_related("parent").prefetch_related("lineage")

    def get_serializer_context(self) -> dict[str, Any]:
        context = super().get_serializer_context()
        return {**context, "counts": cache(partial(count_clients, self.request.user, "tags"))}

    def create(self, request: Request) -> Response:
        require(request.user, Permission.OPERATE, is_everywhere=True)
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(self.get_serializer(create_tag(**asked.validated_data)).data, status=201)

    def partial_update(self, request: Request, id: int) -> Response:
        require(request.user, Permission.OPERATE, is_everywhere=True)
        tag = self.get_object()
        context = self.get_serializer_context()
        asked = TagChangeSerializer(tag, data=request.data, partial=True, context=context)
        asked.is_valid(raise_exception=True)
        change_tag(tag=tag, **{"name": tag.name, "parent": tag.parent, **asked.validated_data})
        return Response(self.get_serializer(self.get_object()).data)

    def destroy(self, request: Request, id: int) -> Response:
        require(request.user, Permission.OPERATE, is_everywhere=True)
        delete_tag(tag=self.get_object())
        return Response(status=204)
