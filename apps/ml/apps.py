from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MlConfig(AppConfig):
    name = "apps.ml"
    label = "ml"
    verbose_name = _("Learning")
