"""Pages of allauth whose place My Profile takes; the rest of allauth's stay its own."""

from django.urls import path
from django.views.generic import RedirectView

PASSWORD, SECURITY = "dashboard:profile-password", "dashboard:profile-security"
REPLACED = {
    "email/": "dashboard:profile",
    "password/change/": PASSWORD,
    "password/set/": PASSWORD,
    # Passwords are reset by administrators, so nothing is mailed on a visitor's word.
    "password/reset/": "account_login",
    "reauthenticate/": SECURITY,
    "2fa/": SECURITY,
    "2fa/reauthenticate/": SECURITY,
    "2fa/totp/activate/": "dashboard:set-up-authenticator",
    "2fa/totp/deactivate/": SECURITY,
    "2fa/recovery-codes/": SECURITY,
    "2fa/recovery-codes/download/": SECURITY,
    "2fa/recovery-codes/generate/": SECURITY,
    "sessions/": "dashboard:profile-sessions",
}
urlpatterns = [
    path(route, RedirectView.as_view(pattern_name=name)) for route, name in REPLACED.items()
]
