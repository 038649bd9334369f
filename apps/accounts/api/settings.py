"""The server's settings over REST; secrets go in and never come out."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.models import User
from apps.accounts.policy import Permission
from apps.accounts.services.mail_test import MailTestTo, send_test_message
from apps.accounts.services.settings import change_settings
from apps.accounts.setting_selectors import ServerSetting, list_server_settings
from apps.core.errors import FieldError, Invalid, NotAuthenticated

EXAMPLE = {
    "name": "cpu_threshold_percent",
    "group": "thresholds",
    "kind": "number",
    "title": "Processor",
    "help": "A client whose processor is busier is marked as high.",
    "unit": "%",
    "minimum": 1,
    "maximum": 100,
    "choices": [],
    "value": 75.0,
    "is_set": True,
    "environment_value": 80.0,
    "variable": "SWARM_CPU_THRESHOLD_PERCENT",
    "origin": "changed",
    "changed_by": "ann",
    "changed_at": "2026-03-01T09:00:00Z",
}


class SettingSerializer(serializers.Serializer[Any]):
    """A setting as it holds now."""

    name = serializers.CharField()
    group = serializers.CharField()
    kind = serializers.CharField(help_text="flag, whole, number, text, words, secret or choice.")
    title = serializers.CharField()
    help = serializers.CharField(allow_blank=True)
    unit = serializers.CharField(allow_blank=True)
    minimum = serializers.FloatField(allow_null=True)
    maximum = serializers.FloatField(allow_null=True)
    choices = serializers.ListField(child=serializers.CharField())
    value = serializers.JSONField(allow_null=True, help_text="Always null for a secret.")
    is_set = serializers.BooleanField(help_text="Whether there is a value at all.")
    environment_value = serializers.JSONField(
        allow_null=True, help_text="What holds after a reset; always null for a secret."
    )
    variable = serializers.CharField(help_text="The environment variable that seeds it.")
    origin = serializers.CharField(help_text="changed, environment or built_in.")
    changed_by = serializers.CharField(allow_blank=True)
    changed_at = serializers.DateTimeField(allow_null=True)


class MailTestSerializer(serializers.Serializer[Any]):
    to = serializers.ChoiceField(
        [item.value for item in MailTestTo], default=MailTestTo.ME.value, help_text="Who gets it."
    )


class MailSentSerializer(serializers.Serializer[Any]):
    sent_to = serializers.ListField(child=serializers.CharField())


def describe_setting(setting: ServerSetting) -> dict[str, Any]:
    state, definition = setting.state, setting.state.definition
    is_secret = definition.kind == "secret"
    source = "environment" if state.origin else "built_in"
    return {
        "name": definition.name,
        "group": definition.group,
        "kind": definition.kind,
        "title": str(definition.title),
        "help": str(definition.help),
        "unit": definition.unit,
        "minimum": definition.minimum,
        "maximum": definition.maximum,
        "choices": list(definition.choices),
        "value": None if is_secret else state.value,
        "is_set": state.value not in (None, "", [], False) or definition.kind == "flag",
        "environment_value": None if is_secret else state.seed,
        "variable": state.origin or definition.variable,
        "origin": "changed" if state.changed_at else source,
        "changed_by": setting.changed_by,
        "changed_at": setting.changed_at,
    }


class SettingsView(APIView):
    read_permission = Permission.ADMINISTER
    write_permission = Permission.ADMINISTER

    @extend_schema(
        tags=["operation"],
        operation_id="settings_list",
        summary="Show the server's settings",
        description="Values, limits and where each comes from. Needs the scope `admin` by token.",
        responses={200: SettingSerializer(many=True)},
        examples=[OpenApiExample("a threshold", value=[EXAMPLE], response_only=True)],
    )
    def get(self, request: Request) -> Response:
        return Response(self.describe(request))

    @extend_schema(
        tags=["operation"],
        operation_id="settings_change",
        summary="Change the server's settings",
        description="Names with their new values, all or none; null lets the environment's value "
        "hold again. Another smtp_server, smtp_port or smtp_security forgets smtp_password "
        "unless it is sent along.",
        request={"application/json": {"type": "object", "additionalProperties": True}},
        responses={200: SettingSerializer(many=True)},
        examples=[
            OpenApiExample(
                "mail",
                value={"smtp_server": "mail.example.org", "smtp_port": 587, "smtp_user": None},
                request_only=True,
            ),
            OpenApiExample("all settings", value=[EXAMPLE], response_only=True),
        ],
    )
    def patch(self, request: Request) -> Response:
        if not isinstance(request.data, dict):
            detail = "must be an object of names and values"
            raise Invalid([FieldError("body", "malformed", detail)])
        list_server_settings(request.user)
        change_settings(
            values={name: value for name, value in request.data.items() if value is not None},
            resets=[name for name, value in request.data.items() if value is None],
        )
        return Response(self.describe(request))

    def describe(self, request: Request) -> list[dict[str, Any]]:
        settings = [describe_setting(one) for one in list_server_settings(request.user)]
        described: list[dict[str, Any]] = SettingSerializer(settings, many=True).data  # type: ignore[assignment]  # a list of dicts
        return described


class MailTestView(APIView):
    write_permission = Permission.ADMINISTER

    @extend_schema(
        tags=["operation"],
        operation_id="settings_mail_test",
        summary="Send a test message by the mail settings",
        description="409 `mail_not_configured` without a mail server; 409 `mail_fault` with what "
        "went wrong.",
        request=MailTestSerializer,
        responses={200: MailSentSerializer},
        examples=[
            OpenApiExample("to yourself", value={"to": "me"}, request_only=True),
            OpenApiExample("sent", value={"sent_to": ["ann@example.org"]}, response_only=True),
        ],
    )
    def post(self, request: Request) -> Response:
        if not isinstance(request.user, User):
            raise NotAuthenticated("not_authenticated", "Sign in first.")
        asked = MailTestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        to = MailTestTo(asked.validated_data["to"])
        return Response({"sent_to": send_test_message(user=request.user, to=to)})
