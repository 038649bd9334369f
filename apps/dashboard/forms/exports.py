from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from django_filters.widgets import BooleanWidget

from apps.accounts.models import User
from apps.accounts.policy import Permission
from apps.accounts.selectors import administers_everything
from apps.clients.selectors import list_clients
from apps.core.errors import StreamSwarmError
from apps.dashboard.forms.base import PageForm, style_field
from apps.dashboard.forms.history import MomentField
from apps.reports.algorithms.formats import FORMATS, is_installed
from apps.reports.datasets import DATASETS, Dataset
from apps.reports.services.exports import Order, read_order
from apps.tests.selectors import list_tests

# The form asks for these in a way of its own, or a list needs them and a file does not.
TAKEN = frozenset({"after", "before", "since", "until", "older"})
OFFERED = 500
ANY = ("", _("Any"))
FLAGS = [ANY, ("true", _("Yes")), ("false", _("No"))]
MOMENTS = ("after", "before")
# What people pick by name, although the filter takes an id.
NAMED: Mapping[str, Callable[[User], QuerySet[Any]]] = {"client": list_clients, "test": list_tests}
LABELS = {
    "client": _("Client"),
    "test": _("Test"),
    "assignment": _("Assignment"),
    "run": _("Run"),
    "actor": _("Number of who acted"),
}


def list_datasets(user: User) -> dict[str, Dataset]:
    """What `user` may export."""
    is_boss = administers_everything(user)
    return {
        name: one
        for name, one in DATASETS.items()
        if is_boss or one.permission != Permission.ADMINISTER
    }


def read_dataset(user: User, name: str) -> Dataset:
    """The dataset that the address names; the first one for any other word."""
    offered = list_datasets(user)
    return offered.get(name) or next(iter(offered.values()))


class ExportForm(PageForm):
    """A dataset with a field for each of its filters, a time, and the form of the file."""

    dataset = forms.ChoiceField(label=_("What"))
    format = forms.ChoiceField(label=_("Format"), required=False)
    is_gzip = forms.BooleanField(label=_("Compressed (gzip)"), required=False)
    after = MomentField(label=_("From"), required=False)
    before = MomentField(label=_("Until"), required=False)

    def __init__(self, data: QueryDict, *, user: User) -> None:
        self.user = user
        self.chosen = read_dataset(user, data.get("dataset", ""))
        filled = data.copy()
        filled["dataset"] = self.chosen.name
        filled.setdefault("format", next(iter(FORMATS)))
        super().__init__(filled, auto_id="export-%s")
        set_choices(self.fields["dataset"], [(n, d.title) for n, d in list_datasets(user).items()])
        usable = [(name, one.title) for name, one in FORMATS.items() if is_installed(one)]
        set_choices(self.fields["format"], usable)
        for name, field in build_filter_fields(self.chosen, user, data).items():
            # Ids are nothing to type in; another page may have put one into the address.
            if not isinstance(field, forms.UUIDField) or name in data:
                style_field(field)
                self.fields[name] = field

    @property
    def filter_names(self) -> list[str]:
        own = {*type(self).base_fields}
        return [name for name in self.fields if name not in own]

    @property
    def single_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.filter_names if not self.is_multiple(name)]

    @property
    def multiple_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.filter_names if self.is_multiple(name)]

    def is_multiple(self, name: str) -> bool:
        return isinstance(self.fields[name], forms.MultipleChoiceField)

    def read_filters(self) -> dict[str, Sequence[str]]:
        """The filters as the API takes them."""
        filters: dict[str, Sequence[str]] = {}
        for name in self.filter_names:
            values = [value for value in self.data.getlist(name) if value]  # type: ignore[attr-defined]  # a QueryDict
            if values:
                filters[name] = values
        for name in MOMENTS:
            moment = self.cleaned_data.get(name)
            if moment is not None and name in self.chosen.filterset.base_filters:
                filters[name] = [moment.isoformat()]
        return filters

    def read_order(self) -> Order | None:
        """What is asked for; None, with the errors at their fields, when it cannot be."""
        if not self.is_valid():
            return None
        try:
            order = read_order(
                dataset=self.chosen.name,
                format_name=self.cleaned_data["format"],
                filters=self.read_filters(),
                is_gzip=self.cleaned_data["is_gzip"],
            )
            order.dataset.select(self.user, order.filters)
        except StreamSwarmError as error:
            self.take_errors(error)
            return None
        return order

    def field_name(self, name: str) -> str:
        return "is_gzip" if name == "gzip" else name


def set_choices(field: forms.Field, choices: Sequence[tuple[str, Any]]) -> None:
    if isinstance(field, forms.ChoiceField):
        field.choices = choices


def build_filter_fields(dataset: Dataset, user: User, data: QueryDict) -> Mapping[str, forms.Field]:
    """A field for each filter, in their order; what `data` picks is among the choices."""
    model = dataset.filterset._meta.model  # noqa: SLF001 - django-filter documents no other way
    drawn = dataset.filterset(queryset=model._default_manager.none()).form.fields  # noqa: SLF001 - documented API
    return {
        name: build_named_field(name, label_field(name, field), user, data.get(name, ""))
        if name in NAMED
        else build_filter_field(name, field)
        for name, field in drawn.items()
        if name not in TAKEN
    }


def build_filter_field(name: str, field: forms.Field) -> forms.Field:
    """The filter's own field, or one that is easier to fill in and means the same."""
    field.label = label_field(name, field)
    if isinstance(field.widget, BooleanWidget):
        return forms.ChoiceField(label=field.label, choices=FLAGS, required=False)
    if isinstance(field, forms.ChoiceField) and not isinstance(field, forms.MultipleChoiceField):
        offered: Any = field.choices
        return build_choice(field.label, [(value, text) for value, text in offered if value])
    if isinstance(field, forms.MultipleChoiceField):
        choices: Any = field.choices
        field.widget = forms.CheckboxSelectMultiple(choices=choices)
    field.help_text = ""
    return field


def label_field(name: str, field: forms.Field) -> Any:
    return LABELS.get(name) or field.label or name


def build_named_field(name: str, label: Any, user: User, picked: str) -> forms.ChoiceField:
    """The first names in their order, and what is picked, which may be behind them."""
    rows = NAMED[name](user).order_by("name").values_list("id", "name")
    choices = {str(id): text for id, text in rows[:OFFERED]}
    if picked not in choices and (wanted := read_id(picked)) is not None:
        choices |= {str(id): text for id, text in rows.filter(id=wanted)}
    return build_choice(label, list(choices.items()))


def build_choice(label: Any, choices: Sequence[tuple[str, Any]]) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, choices=[ANY, *choices], required=False)


def read_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
