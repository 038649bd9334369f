from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.ml.api import anomalies, judgements, predictions, registry
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
    path(
        "clients/<uuid:id>/learning/",
        judgements.ClientLearningView.as_view(),
        name="client-learning",
    ),
    path("runs/<uuid:id>/judgement/", judgements.RunJudgementView.as_view(), name="run-judgement"),
    path(
        "assignments/<uuid:id>/learning/",
        judgements.AssignmentLearningView.as_view(),
        name="assignment-learning",
    ),
    path(
        "assignments/<uuid:id>/health-class/",
        judgements.HealthClassView.as_view(),
        name="assignment-health-class",
    ),
    path(
        "assignments/<uuid:id>/prediction/",
        predictions.PredictionView.as_view(),
        name="assignment-prediction",
    ),
    path("tests/prediction/", predictions.ExpectationView.as_view(), name="test-prediction"),
    path("tests/<uuid:id>/health-goal/", HealthGoalView.as_view(), name="health-goal"),
    path("learners/", registry.LearnersView.as_view(), name="learners"),
    *router.urls,
]
