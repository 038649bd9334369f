"""Changes of the server's settings, written down; what a setting is stands one room below."""

from collections.abc import Collection, Mapping

from django.conf import settings

from apps.accounts.services.audit import audited, record_audit
from apps.configuration.definitions import BY_NAME
from apps.configuration.models import Setting
from apps.configuration.selectors import read_settings
from apps.configuration.services import forget_settings, store_settings

HIDDEN = "[hidden]"
PASSWORD_NAME = "smtp_password"  # noqa: S105 - the name of a setting
SERVER_NAMES = ("smtp_server", "smtp_port", "smtp_security")


@audited()
def change_settings(*, values: Mapping[str, object], resets: Collection[str] = ()) -> None:
    """Stores the values and forgets the others, with an audit entry for each that was touched.

    The mail server's password is for one server: when that changes, the password is forgotten
    unless it is among `values` or `resets`.
    `resets` names the settings for which the environment's value is to hold again.
    Raises: Invalid naming each unknown setting, and each wrong value with its limit; nothing is
    changed then.
    """
    is_kept = PASSWORD_NAME in values or PASSWORD_NAME in resets
    server = read_settings(SERVER_NAMES)
    known = [name for name in (*values, *resets) if name in BY_NAME]
    forgotten = set(Setting.objects.filter(name__in=resets).values_list("name", flat=True))
    before = read_settings(known)
    store_settings(values=values)
    forget_settings(names=resets)
    after = read_settings(known)
    for name in known:
        if name in forgotten:
            audit_setting("reset", name, before[name], after[name])
        elif before[name] != after[name]:
            audit_setting("change", name, before[name], after[name])
    if not is_kept and server != read_settings(SERVER_NAMES):
        forget_mail_password()


def forget_mail_password() -> None:
    """No password, or the environment's when the mail server is the environment's too."""
    names = (PASSWORD_NAME, *SERVER_NAMES)
    before = read_settings([PASSWORD_NAME])[PASSWORD_NAME]
    forget_settings(names=[PASSWORD_NAME])
    current = read_settings(names)
    seeds = {name: settings.SWARM_SEEDS[name] for name in names}
    if current[PASSWORD_NAME] and any(current[name] != seeds[name] for name in SERVER_NAMES):
        store_settings(values={PASSWORD_NAME: ""})
    after = read_settings([PASSWORD_NAME])[PASSWORD_NAME]
    if before != after:
        audit_setting("change", PASSWORD_NAME, before, after)


def reset_settings(*, names: Collection[str]) -> None:
    """Lets the environment's values hold again, with an audit entry for each that was changed.

    Raises: Invalid naming each unknown setting.
    """
    change_settings(values={}, resets=names)


def audit_setting(action: str, name: str, before: object, after: object) -> None:
    record_audit(
        action=action,
        target=Setting(name=name),
        before={name: describe_value(name, before)},
        after={name: describe_value(name, after)},
    )


def describe_value(name: str, value: object) -> object:
    """The value as it may be shown: of a secret only that there is one."""
    if BY_NAME[name].kind != "secret":
        return value
    return HIDDEN if value else ""
