"""The settings an administrator may change while the server runs; one line for each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

SettingKind = Literal["flag", "whole", "number", "text", "words", "secret", "choice"]


@dataclass(frozen=True, slots=True)
class Definition:
    """One setting: what it may be, and the environment variable that seeds it."""

    name: str
    group: str
    kind: SettingKind
    variable: str
    title: str | Promise
    help: str | Promise = ""
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()


DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        "admin_two_factor_required",
        "sign-in",
        "flag",
        "SWARM_ADMIN_TWO_FACTOR",
        _("Administrators need a second factor"),
        _("An administrator without one is led to set it up before anything else."),
    ),
)

BY_NAME: Mapping[str, Definition] = {one.name: one for one in DEFINITIONS}
