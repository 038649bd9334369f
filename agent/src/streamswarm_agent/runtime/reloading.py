"""Reading the host's settings again while the agent runs."""

import logging
from collections.abc import Iterator

from streamswarm_agent.errors import AgentError
from streamswarm_agent.runtime.budget import Limits
from streamswarm_agent.runtime.configuration.resolution import Configuration, Resolved, Sources
from streamswarm_agent.runtime.configuration.table import SETTINGS
from streamswarm_agent.runtime.egress import read_local_denials
from streamswarm_agent.runtime.logs import set_level
from streamswarm_agent.runtime.parts import Parts
from streamswarm_agent.spool.state import StateDirectory

logger = logging.getLogger(__name__)


def reload_configuration(parts: Parts, sources: Sources, state: StateDirectory) -> None:
    """Take what the sources say now, all of it or, when some of it is refused, nothing."""
    former = parts.settings.configuration
    identity = parts.line.identity
    try:
        found = sources.read().with_enrolment(identity.server_url, identity.ca_file)
        denials = read_local_denials(state.path / "deny", found.read_networks())
    except (AgentError, OSError, UnicodeError) as error:
        logger.error("configuration_refused reason=%s; the former one stays", error)  # noqa: TRY400 - the sentence is all there is to know
        return
    for changed in list_changes(former, found):
        name = changed.setting.name
        if changed.setting.is_live:
            logger.info("setting_changed name=%s", name)
        else:
            logger.warning("setting_needs_restart name=%s", name)
    parts.settings.configuration = found
    parts.resolver.replace_local_denials(denials)
    parts.budget.limits = Limits.of(found)
    set_level(found)
    logger.info("configuration_reloaded file=%s", found.file or "")


def list_changes(former: Configuration, found: Configuration) -> Iterator[Resolved]:
    """The settings whose value is another one now."""
    for name in SETTINGS:
        now = found.resolve(name)
        if now.value != former.resolve(name).value:
            yield now
