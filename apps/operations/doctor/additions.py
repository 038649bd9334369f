"""The plug-ins this server found."""

from apps.core.plugins import list_plugins
from apps.operations.doctor.base import Finding, Verdict


def check_plugins() -> list[Finding]:
    """Each plug-in with its package, and why it was left out if it was."""
    plugins = list_plugins()
    if not plugins:
        return [Finding("plug-ins", Verdict.OK, "none installed")]
    return [
        Finding(
            f"plug-in {plugin.name}",
            Verdict.WARNING if plugin.fault else Verdict.OK,
            f"{plugin.group} of {plugin.package}"
            + (f", left out: {plugin.fault}" if plugin.fault else ""),
            "Repair or uninstall the package; everything else goes on." if plugin.fault else "",
        )
        for plugin in plugins
    ]
