from rest_framework.routers import SimpleRouter

from apps.tests.api.found import AssignmentViewSet, KindViewSet, ResultViewSet, RunViewSet
from apps.tests.api.quotas import QuotaViewSet
from apps.tests.api.series import SeriesViewSet
from apps.tests.api.views import TestViewSet

router = SimpleRouter(use_regex_path=False)
router.register("tests", TestViewSet, basename="test")
router.register("assignments", AssignmentViewSet, basename="assignment")
router.register("runs", RunViewSet, basename="run")
router.register("results", ResultViewSet, basename="result")
router.register("kinds", KindViewSet, basename="kind")
router.register("series", SeriesViewSet, basename="series")
router.register("quotas", QuotaViewSet, basename="quota")
