"""Every page of the dashboard by its name, filled with the objects of a corner of the scene."""

from django.urls import get_resolver, reverse

# Only to be posted to; tests of their own look after these.
ACTIONS = frozenset(
    {
        "theme",
        "revoke-token",
        "change-client",
        "delete-client",
        "rotate-key",
        "revoke-keys",
        "parameters",
        "run-test",
        "pause-test",
        "resume-test",
        "stop-test",
        "delete-test",
    }
)
# Gone once there is a user.
CLOSED = frozenset({"setup"})
# Pages that only those who may operate see.
FOR_OPERATORS = frozenset({"enrol", "enrolled", "client-settings", "new-test", "edit-test"})


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
    _prefix, resolver = get_resolver().namespace_dict["dashboard"]
    [(_pattern, wanted)] = resolver.reverse_dict[name][0]
    return bool(wanted)
