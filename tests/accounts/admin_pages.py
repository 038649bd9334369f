"""Where the admin has its pages of a model."""

from django.urls import reverse


def address(model, page="changelist", *arguments):
    options = model._meta
    return reverse(f"admin:{options.app_label}_{options.model_name}_{page}", args=arguments)
