from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.ml.api import anomalies, registry
from apps.ml.api.diagnoses import DiagnosisViewSet
from apps.ml.api.forecasts import ForecastViewSet

router = SimpleRouter(use_regex_path=False)
router.register("diagnoses", DiagnosisViewSet, basename="diagnosis")
router.register("forecasts", ForecastViewSet, basename="forecast")
router.register("models", registry.ModelViewSet, basename="model")
router.register("trainings", registry.TrainingViewSet, basename="training")
urlpatterns = [
    path(
        "clients/<uuid:id>/anomalies/",
        anomalies.AnomalyRateView.as_view(),
        name="client-anomalies",
    ),
    path("learners/", registry.LearnersView.as_view(), name="learners"),
    *router.urls,
]
