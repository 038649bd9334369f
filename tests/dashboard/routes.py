"""Every page of the dashboard by its name, filled with the objects of a corner of the scene."""

from django.urls import get_resolver, reverse

# What everybody does with the own account and the own reports.
OWN_ACTIONS = frozenset(
    {
        "remove-authenticator",
        "make-recovery-codes",
        "end-session",
        "end-other-sessions",
        "revoke-own-token",
        "delete-export",
        "link-export",
        "preview-report",
        "make-report",
        "try-report",
        "delete-report-plan",
        "delete-report",
        "remake-report",
        "resend-report",
    }
)
# What belongs to whoever made it, wherever its subject is.
OWNED = frozenset({"report-plan", "edit-report-plan", "report-file"})
# Only to be posted to; tests of their own look after these.
ACTIONS = frozenset(
    {
        "theme",
        *OWN_ACTIONS,
        "change-user",
        "add-role",
        "remove-role",
        "make-link",
        "act-on-user",
        "resend-invitation",
        "revoke-invitation",
        "verify-audit",
        "retry-job",
        "discard-job",
        "promote-model",
        "roll-back-model",
        "retire-model",
        "start-training",
        "revoke-token",
        "change-client",
        "delete-client",
        "rotate-key",
        "revoke-keys",
        "bulk-clients",
        "add-key",
        "revoke-key",
        "clear-clone",
        "change-site",
        "delete-site",
        "change-tag",
        "delete-tag",
        "mail-test",
        "save-settings",
        "reset-setting",
        "preview-maintenance",
        "end-maintenance",
        "delete-maintenance",
        "parameters",
        "preview-test",
        "try-test",
        "predict-test",
        "bulk-tests",
        "remove-quota",
        "run-test",
        "pause-test",
        "refresh-forecasts",
        "resume-test",
        "stop-test",
        "delete-test",
        "diagnose-run",
        "diagnose-test",
        "diagnose-client",
        "clear-health-goal",
        "judge-finding",
        "judge-findings",
        "judge-diagnosis",
    }
)
# Their argument names what belongs to no site.
OF_NO_SITE = frozenset({"metric"})
# Gone once there is a user, or open to whoever has the secret in the address.
CLOSED = frozenset({"setup", "invitation", "password-link"})
# Pages and actions only for those who administer everything.
FOR_ADMINISTRATORS = frozenset(
    {
        "users",
        "user",
        "new-user",
        "invitations",
        "invite",
        "audit",
        "jobs",
        "retry-job",
        "discard-job",
        "promote-model",
        "roll-back-model",
        "retire-model",
        "start-training",
        "quotas",
        "storage",
        "change-user",
        "add-role",
        "remove-role",
        "make-link",
        "act-on-user",
        "resend-invitation",
        "revoke-invitation",
        "verify-audit",
        "remove-quota",
    }
)
# Pages that only those who may operate see.
FOR_OPERATORS = frozenset(
    {
        *FOR_ADMINISTRATORS,
        "settings",
        "enrol",
        "enrolled",
        "client-settings",
        "new-test",
        "edit-test",
        "health-goal",
        "new-site",
        "new-tag",
        "new-maintenance",
        "edit-maintenance",
    }
)


def list_names():
    _prefix, resolver = get_resolver().namespace_dict["dashboard"]
    return sorted(name for name in resolver.reverse_dict if isinstance(name, str))


PAGES = [name for name in list_names() if name not in ACTIONS | CLOSED]


def build_path(name, corner):
    """The page's path; arguments that its pattern does not take are left out."""
    _prefix, resolver = get_resolver().namespace_dict["dashboard"]
    [(_pattern, wanted)] = resolver.reverse_dict[name][0]
    values = {key: corner.arguments[key] for key in wanted}
    return reverse(f"dashboard:{name}", kwargs=values)


def takes_arguments(name):
    if name in OF_NO_SITE:
        return False
    _prefix, resolver = get_resolver().namespace_dict["dashboard"]
    [(_pattern, wanted)] = resolver.reverse_dict[name][0]
    return bool(wanted)
