from django.urls import path

from apps.metrics.api.views import DocumentView, MetricListView, SourceListView, StorageView

urlpatterns = [
    path("metrics/", MetricListView.as_view(), name="metric-list"),
    path("clients/<uuid:id>/documents/", DocumentView.as_view(), name="client-documents"),
    path("storage/", StorageView.as_view(), name="storage"),
    path("sources/", SourceListView.as_view(), name="source-list"),
]
