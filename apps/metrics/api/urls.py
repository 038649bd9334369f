from django.urls import path

from apps.metrics.api.views import MetricListView, SourceListView

urlpatterns = [
    path("metrics/", MetricListView.as_view(), name="metric-list"),
    path("sources/", SourceListView.as_view(), name="source-list"),
]
