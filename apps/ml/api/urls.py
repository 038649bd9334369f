from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.ml.api import registry

router = SimpleRouter(use_regex_path=False)
router.register("models", registry.ModelViewSet, basename="model")
router.register("trainings", registry.TrainingViewSet, basename="training")
urlpatterns = [
    path("learners/", registry.LearnersView.as_view(), name="learners"),
    *router.urls,
]
