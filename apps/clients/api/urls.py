from rest_framework.routers import SimpleRouter

from apps.clients.api.maintenance import MaintenanceWindowViewSet
from apps.clients.api.places import SiteViewSet, TagViewSet
from apps.clients.api.views import ClientViewSet, EnrolmentTokenViewSet

router = SimpleRouter(use_regex_path=False)
router.register("clients", ClientViewSet, basename="client")
router.register("sites", SiteViewSet, basename="site")
router.register("tags", TagViewSet, basename="tag")
router.register("enrolment-tokens", EnrolmentTokenViewSet, basename="enrolment-token")
router.register("maintenance-windows", MaintenanceWindowViewSet, basename="maintenance-window")
