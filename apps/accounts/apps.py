from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    label = "accounts"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        from apps.accounts import sign_in_audit
        from apps.accounts.sign_in import connect_receivers

        connect_receivers()
        sign_in_audit.connect_receivers()
