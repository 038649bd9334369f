from rest_framework.routers import SimpleRouter

from apps.accounts.api import views

router = SimpleRouter(use_regex_path=False)
# Before the users, whose ids are numbers.
router.register("users", views.MeViewSet, basename="me")
router.register("users", views.UserViewSet, basename="user")
router.register("tokens", views.TokenViewSet, basename="token")
router.register("audit", views.AuditViewSet, basename="audit")
