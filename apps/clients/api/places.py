from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apps.accounts.policy import Permission, require
from apps.clients.api.serializers import (
    SiteChangeSerializer,
    SiteSerializer,
    TagChangeSerializer,
    TagSerializer,
)
from apps.clients.models import Site, Tag
from apps.clients.selectors import list_sites, list_tags
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
    create=extend_schema(tags=["clients"], summary="Make a site", responses={201: SiteSerializer}),
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
    filterset_fields = ["slug"]
    ordering_fields = ["slug", "name"]

    def get_queryset(self) -> QuerySet[Site]:
        return list_sites(self.request.user)

    def create(self, request: Request) -> Response:
        require(request.user, Permission.OPERATE, is_everywhere=True)
        asked = SiteSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(SiteSerializer(create_site(**asked.validated_data)).data, status=201)

    def partial_update(self, request: Request, id: int) -> Response:
        require(request.user, Permission.OPERATE, is_everywhere=True)
        site = self.get_object()
        asked = SiteChangeSerializer(site, data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        kept: dict[str, Any] = {
            "name": site.name,
            "latitude": site.latitude,
            "longitude": site.longitude,
        }
        change_site(site=site, **{**kept, **asked.validated_data})
        return Response(SiteSerializer(site).data)

    def destroy(self, request: Request, id: int) -> Response:
        require(request.user, Permission.OPERATE, is_everywhere=True)
        delete_site(site=self.get_object())
        return Response(status=204)


@extend_schema_view(
    list=extend_schema(tags=["clients"], summary="List the tags"),
    retrieve=extend_schema(tags=["clients"], summary="Show a tag"),
    create=extend_schema(tags=["clients"], summary="Make a tag", responses={201: TagSerializer}),
    partial_update=extend_schema(
        tags=["clients"],
        summary="Rename a tag",
        request=TagChangeSerializer,
        responses=TagSerializer,
    ),
    destroy=extend_schema(tags=["clients"], summary="Delete a tag"),
)
class TagViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Tag]):
    """Tags are everybody's, so only who operates everything changes them."""

    queryset = Tag.objects.none()
    serializer_class = TagSerializer
    lookup_field = "id"
    lookup_value_converter = "int"
    filterset_fields = ["slug"]
    ordering_fields = ["slug", "name"]

    def get_queryset(self) -> QuerySet[Tag]:
        return list_tags(self.request.user)

    def create(self, request: Request) -> Response:
        require(request.user, Permission.OPERATE, is_everywhere=True)
        asked = TagSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(TagSerializer(create_tag(**asked.validated_data)).data, status=201)

    def partial_update(self, request: Request, id: int) -> Response:
        require(request.user, Permission.OPERATE, is_everywhere=True)
        tag = self.get_object()
        asked = TagChangeSerializer(tag, data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        change_tag(tag=tag, name=asked.validated_data.get("name", tag.name))
        return Response(TagSerializer(tag).data)

    def destroy(self, request: Request, id: int) -> Response:
        require(request.user, Permission.OPERATE, is_everywhere=True)
        delete_tag(tag=self.get_object())
        return Response(status=204)
