"""The doors of this room, below `/api/v1/`."""

from django.urls import URLPattern, URLResolver, path
from rest_framework.routers import SimpleRouter

from apps.reports.api import prometheus
from apps.reports.api.analysis import AnalysisView
from apps.reports.api.exports import DatasetsView, DownloadView, ExportViewSet
from apps.reports.api.reports import ReportPlanViewSet, ReportViewSet

PROMETHEUS = "prometheus/api/v1"
router = SimpleRouter(use_regex_path=False)
router.register("exports", ExportViewSet, basename="export")
router.register("report-plans", ReportPlanViewSet, basename="report-plan")
router.register("reports", ReportViewSet, basename="report")
urlpatterns: list[URLPattern | URLResolver] = [
    path("analysis/", AnalysisView.as_view(), name="analysis"),
    path("exports/datasets/", DatasetsView.as_view(), name="export-datasets"),
    path("exports/<str:name>", DownloadView.as_view(), name="export-download"),
    *router.urls,
    path(f"{PROMETHEUS}/query", prometheus.QueryView.as_view(), name="prometheus-query"),
    path(f"{PROMETHEUS}/query_range", prometheus.QueryRangeView.as_view(), name="prometheus-range"),
    path(f"{PROMETHEUS}/series", prometheus.SeriesView.as_view(), name="prometheus-series"),
    path(f"{PROMETHEUS}/labels", prometheus.LabelsView.as_view(), name="prometheus-labels"),
    path(
        f"{PROMETHEUS}/label/<str:label>/values",
        prometheus.LabelValuesView.as_view(),
        name="prometheus-label-values",
    ),
    path(f"{PROMETHEUS}/metadata", prometheus.MetadataView.as_view(), name="prometheus-metadata"),
    path(
        f"{PROMETHEUS}/status/buildinfo",
        prometheus.BuildInfoView.as_view(),
        name="prometheus-buildinfo",
    ),
    path(f"{PROMETHEUS}/rules", prometheus.RulesView.as_view(), name="prometheus-rules"),
]
