from rest_framework.routers import SimpleRouter

from apps.reports.api.reports import ReportPlanViewSet, ReportViewSet

router = SimpleRouter(use_regex_path=False)
router.register("report-plans", ReportPlanViewSet, basename="report-plan")
router.register("reports", ReportViewSet, basename="report")
urlpatterns = [*router.urls]
