from rest_framework.routers import SimpleRouter

from apps.ml.api.diagnoses import DiagnosisViewSet

router = SimpleRouter(use_regex_path=False)
router.register("diagnoses", DiagnosisViewSet, basename="diagnosis")
