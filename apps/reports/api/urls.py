"""The doors of this room, below `/api/v1/`."""

from django.urls import URLPattern, URLResolver, path
from rest_framework.routers import SimpleRouter

from apps.reports.api.exports import DatasetsView, DownloadView, ExportViewSet
from apps.reports.api.reports import ReportPlanViewSet, ReportViewSet

router = SimpleRouter(use_regex_path=False)
router.register("exports", ExportViewSet, basename="export")
router.register("report-plans", ReportPlanViewSet, basename="report-plan")
router.register("reports", ReportViewSet, basename="report")
urlpatterns: list[URLPattern | URLResolver] = [
    path("exports/datasets/", DatasetsView.as_view(), name="export-datasets"),
    path("exports/<str:name>", DownloadView.as_view(), name="export-download"),
    *router.urls,
]
