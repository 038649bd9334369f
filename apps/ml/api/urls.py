from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.ml.api.health import HealthGoalView, HealthViewSet

router = SimpleRouter(use_regex_path=False)
router.register("health", HealthViewSet, basename="health")
urlpatterns = [
    path("tests/<uuid:id>/health-goal/", HealthGoalView.as_view(), name="health-goal"),
]
