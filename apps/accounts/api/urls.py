from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.accounts.api import audit, invitations, jwt, me, users, views
from apps.accounts.api.settings import MailTestView, SettingsView

router = SimpleRouter(use_regex_path=False)
# Before the users, whose ids are numbers.
router.register("users", me.MeViewSet, basename="me")
router.register("users", users.UserViewSet, basename="user")
router.register("invitations", invitations.InvitationViewSet, basename="invitation")
router.register("tokens", views.TokenViewSet, basename="token")
router.register("audit", audit.AuditViewSet, basename="audit")
router.register("jwt", jwt.JwtViewSet, basename="jwt")

own_patterns = [
    path(
        "sessions/",
        me.SessionViewSet.as_view({"get": "list", "delete": "destroy_others"}),
        name="session-list",
    ),
    path(
        "sessions/<int:id>/",
        me.SessionViewSet.as_view({"delete": "destroy"}),
        name="session-detail",
    ),
    path("settings/", SettingsView.as_view(), name="settings"),
    path("settings/mail-test/", MailTestView.as_view(), name="settings-mail-test"),
]
