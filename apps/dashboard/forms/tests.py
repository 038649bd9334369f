from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.policy import AnyUser, Permission
from apps.clients.algorithms.recurrence import list_time_zones
from apps.clients.models import Client
from apps.clients.selectors import list_clients, list_sites, list_tags
from apps.configuration.selectors import read_number
from apps.dashboard.forms.base import PageForm, style_field
from apps.dashboard.forms.parameters import build_fields, name_field, read_parameters
from apps.tests.algorithms.targets import OWN_HOST
from apps.tests.kinds import KINDS, Kind
from apps.tests.models import Test
from apps.tests.services import TestDefinition

DEFAULT_KIND = "ping"
SECONDS_FIELDS = ("every_seconds", "slip_seconds", "duration_seconds", "sample_interval_seconds")
# Browsers write this form into and out of a datetime-local field.
LOCAL_MOMENT = "%Y-%m-%dT%H:%M"


class TestForm(PageForm):
    """A test's definition; the parameters' fields follow from the chosen kind."""

    __test__ = False

    name = forms.CharField(label=_("Name"), max_length=100)
    kind = forms.ChoiceField(
        label=_("Type"),
        initial=DEFAULT_KIND,
        choices=lambda: [(name, kind.title) for name, kind in KINDS.items()],
    )
    target = forms.CharField(
        label=_("Target"), max_length=2048, widget=forms.TextInput(attrs={"spellcheck": "false"})
    )
    topology = forms.ChoiceField(
        label=_("Between"),
        required=False,
        choices=Test.Topology.choices,
        initial=Test.Topology.PAIR,
        help_text=_("The other clients are chosen below."),
    )
    hub = forms.ModelChoiceField(
        label=_("Hub, or first of the pair"),
        queryset=Client.objects.none(),
        required=False,
        empty_label=_("Choose a client"),
    )
    directions = forms.ChoiceField(
        label=_("Directions"),
        required=False,
        choices=[("", _("As usual")), *Test.Directions.choices],
        help_text=_("As usual: out from a hub, both ways in a mesh."),
    )
    peer_address = forms.CharField(
        label=_("Address of the far end"),
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"spellcheck": "false"}),
        help_text=_("Only for a pair in one direction; empty: by what is known of the client."),
    )
    schedule_kind = forms.ChoiceField(
        label=_("Schedule"),
        choices=Test.ScheduleKind.choices,
        initial=Test.ScheduleKind.EVERY,
    )
    every_seconds = forms.FloatField(
        label=_("Start a run every"),
        required=False,
        initial=lambda: plain(read_number("default_test_duration_seconds")),
        help_text=_("At least the duration, at most 31 days."),
    )
    cron_expression = forms.CharField(
        label=_("Cron expression"),
        required=False,
        widget=forms.TextInput(attrs={"spellcheck": "false", "placeholder": "0 2 * * 1-5"}),
        help_text=_("Minute, hour, day of the month, month, day of the week."),
    )
    time_zone = forms.ChoiceField(
        label=_("in the time zone"),
        required=False,
        choices=lambda: [(name, name) for name in sorted(list_time_zones())],
        initial=timezone.get_current_timezone_name,
    )
    slip_seconds = forms.FloatField(
        label=_("Random delay up to"),
        required=False,
        initial=0,
        help_text=_("Keeps many clients from striking a target at once."),
    )
    duration_seconds = forms.FloatField(
        label=_("A run lasts"),
        initial=lambda: plain(read_number("default_test_duration_seconds")),
        help_text=_("1 second to 1 day."),
    )
    sample_interval_seconds = forms.FloatField(
        label=_("and gives a sample every"),
        initial=lambda: plain(read_number("default_test_interval_seconds")),
        help_text=_("0.2 seconds to 1 hour."),
    )
    start_at = forms.DateTimeField(
        label=_("First start"),
        required=False,
        input_formats=[LOCAL_MOMENT, f"{LOCAL_MOMENT}:%S"],
        help_text=_("Empty: as soon as it is saved."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=LOCAL_MOMENT),
    )
    selection_kind = forms.ChoiceField(
        label=_("Run by"),
        required=False,
        choices=Test.SelectionKind.choices,
        initial=Test.SelectionKind.CLIENTS,
    )
    wanted_clients = forms.IntegerField(
        label=_("How many clients"),
        required=False,
        initial=1,
        help_text=_("1 to 1000. Another takes over when one stays offline."),
    )
    sites = forms.MultipleChoiceField(
        label=_("At any of these sites"), required=False, widget=forms.CheckboxSelectMultiple
    )
    tags = forms.MultipleChoiceField(
        label=_("With all of these tags"), required=False, widget=forms.CheckboxSelectMultiple
    )
    clients = forms.ModelMultipleChoiceField(
        label=_("Clients"), queryset=Client.objects.none(), required=False
    )

    def __init__(self, *args: Any, user: AnyUser, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.choosable = list_choosable(user)
        for name in ("clients", "hub"):
            self.fields[name].queryset = self.choosable  # type: ignore[attr-defined]  # a model field
        for name, rows in (("sites", list_sites(user)), ("tags", list_tags(user))):
            choices = list(rows.values_list("slug", "name"))
            self.fields[name].choices = choices  # type: ignore[attr-defined]  # a choice field
        self.chosen_kind = KINDS.get(str(self["kind"].value())) or KINDS[DEFAULT_KIND]
        self.fields["target"].label = self.chosen_kind.target_label
        self.fields["target"].required = not (self.chosen_kind.is_paired or self.is_of_own_host)
        for name in SECONDS_FIELDS:
            self.fields[name].widget.attrs.update({"step": "any", "data-unit": "s"})
        for name, field in build_fields(self.chosen_kind).items():
            style_field(field)
            self.fields[name] = field

    @property
    def is_of_own_host(self) -> bool:
        """Whether the client looks at itself, so that there is no target to ask for."""
        return self.chosen_kind.target_form == "agent"

    @property
    def parameter_fields(self) -> list[forms.BoundField]:
        return [self[name_field(self.chosen_kind, name)] for name in self.parameter_names]

    @property
    def parameter_names(self) -> Sequence[str]:
        return list(self.chosen_kind.schema["properties"])

    @property
    def carried(self) -> list[tuple[str, str]]:
        """What was typed for other kinds, so that going back to one finds it again."""
        prefixes = tuple(f"{name}-" for name in KINDS if name != self.chosen_kind.name)
        return [(name, str(self.data[name])) for name in self.data if name.startswith(prefixes)]

    @property
    def client_choices(self) -> list[tuple[Client, bool]]:
        chosen = {str(value) for value in self["clients"].value() or ()}
        return [(client, str(client.id) in chosen) for client in self.choosable]

    def field_name(self, name: str) -> str:
        parent, _dot, member = name.partition(".")
        if parent == "parameters":
            return name_field(self.chosen_kind, member)
        return member or "sites" if parent == "selector" else name

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("slip_seconds") is None:
            cleaned["slip_seconds"] = 0.0
        return cleaned

    def build_definition(self, *, start_at: Any = None) -> TestDefinition:
        """The definition that a valid form asks for; `start_at` stands in for an empty one."""
        cleaned = self.cleaned_data
        return TestDefinition(
            name=cleaned["name"],
            kind=self.chosen_kind.name,
            target=OWN_HOST if self.is_of_own_host else cleaned["target"],
            duration_seconds=cleaned["duration_seconds"],
            sample_interval_seconds=cleaned["sample_interval_seconds"],
            schedule_kind=cleaned["schedule_kind"],
            every_seconds=cleaned["every_seconds"],
            cron_expression=cleaned["cron_expression"],
            time_zone=cleaned["time_zone"],
            slip_seconds=cleaned["slip_seconds"],
            start_at=cleaned["start_at"] or start_at,
            parameters=read_parameters(self.chosen_kind, cleaned),
            selection_kind=cleaned["selection_kind"] or Test.SelectionKind.CLIENTS,
            selector=self.read_selector(),
            wanted_clients=cleaned["wanted_clients"],
            topology=cleaned["topology"],
            hub_id=cleaned["hub"].id if cleaned["hub"] else None,
            directions=cleaned["directions"],
            peer_address=cleaned["peer_address"],
        )

    def read_selector(self) -> dict[str, list[str]]:
        """The places chosen, and the clients that a selector of the API named beside them."""
        return {
            "sites": self.cleaned_data.get("sites", []),
            "tags": self.cleaned_data.get("tags", []),
            "clients": list(self.initial.get("selector_clients", [])),
        }


def list_choosable(user: AnyUser) -> QuerySet[Client]:
    """The clients to choose from, with no more of each than its line shows."""
    rows = list_clients(user, Permission.OPERATE).prefetch_related(None)
    return rows.only("id", "name", "presence", "site__name")


def describe_test_form(test: Test, client_ids: Sequence[UUID]) -> dict[str, Any]:
    """The form's first values for a stored test."""
    return {
        "name": test.name,
        "kind": test.kind,
        "target": describe_target(test),
        "schedule_kind": test.schedule_kind,
        "every_seconds": plain(test.every_seconds),
        "slip_seconds": plain(test.slip_seconds),
        "duration_seconds": plain(test.duration_seconds),
        "sample_interval_seconds": plain(test.sample_interval_seconds),
        "start_at": test.start_at,
        "cron_expression": test.cron_expression,
        "time_zone": test.time_zone or timezone.get_current_timezone_name(),
        "selection_kind": test.selection_kind,
        "wanted_clients": test.wanted_clients or 1,
        "sites": test.selector.get("sites", []),
        "tags": test.selector.get("tags", []),
        "selector_clients": test.selector.get("clients", []),
        "clients": list(client_ids),
        "topology": test.topology or Test.Topology.PAIR,
        "hub": test.hub_id,
        "directions": test.directions,
        "peer_address": test.peer_address,
        **describe_parameters(KINDS[test.kind], test.parameters),
    }


def describe_target(test: Test) -> str:
    """What somebody typed as the target; nobody types that of a look at the client's own host."""
    is_own_host = KINDS[test.kind].target_form == "agent"
    return test.target.address if test.target and not is_own_host else ""


def describe_parameters(kind: Kind, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name_field(kind, name): value for name, value in parameters.items()}


def plain(seconds: float | None) -> float | int | None:
    """Without the ".0" that a float column gives to whole numbers."""
    return int(seconds) if seconds is not None and seconds.is_integer() else seconds
