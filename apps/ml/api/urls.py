from rest_framework.routers import SimpleRouter

from apps.ml.api.forecasts import ForecastViewSet

router = SimpleRouter(use_regex_path=False)
router.register("forecasts", ForecastViewSet, basename="forecast")
