from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DashboardConfig(AppConfig):
    name = "apps.dashboard"
    label = "dashboard"
    verbose_name = _("Dashboard")

    def ready(self) -> None:
        from apps.accounts.places import register_places
        from apps.dashboard import live
        from apps.dashboard.selectors.users import find_places

        live.connect()
        register_places(find_places)
