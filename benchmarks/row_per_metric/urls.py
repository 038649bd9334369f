from django.urls import path

from benchmarks.row_per_metric.views import SamplesView

urlpatterns = [path("samples", SamplesView.as_view())]
