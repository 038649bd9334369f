from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.ml.api import anomalies, registry
from apps.ml.api.diagnoses import DiagnosisViewSet
from apps.ml.api.findings import FindingViewSet
from apps.ml.api.forecasts import ForecastViewSet
from apps.ml.api.health import HealthGoalView, HealthViewSet

router = SimpleRouter(use_regex_path=False)
router.register("diagnoses", DiagnosisViewSet, basename="diagnosis")
router.register("findings", FindingViewSet, basename="finding")
router.register("forecasts", ForecastViewSet, basename="forecast")
router.register("health", HealthViewSet, basename="health")
router.register("models", registry.ModelViewSet, basename="model")
router.register("trainings", registry.TrainingViewSet, basename="training")
urlpatterns = [
    path(
        "clients/<uuid:id>/anomalies/",
        anomalies.AnomalyRateView.as_view(),
        name="client-anomalies",
    ),
    path("tests/<uuid:id>/health-goal/", HealthGoalView.as_view(), name="health-goal"),
    path("learners/", registry.LearnersView.as_view(), name="learners"),
    *router.urls,
]
