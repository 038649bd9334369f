from rest_framework.routers import SimpleRouter

from apps.jobs.api import views

router = SimpleRouter(use_regex_path=False)
router.register("jobs", views.JobViewSet, basename="job")
