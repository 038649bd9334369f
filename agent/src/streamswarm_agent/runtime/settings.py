"""The configuration in force: the owner's word and the server's last, also without a server."""

import asyncio
import logging
from typing import Any

from streamswarm_agent.errors import StateUnusable
from streamswarm_agent.runtime.configuration.resolution import Configuration
from streamswarm_agent.runtime.egress import PolicyResolver
from streamswarm_agent.spool.state import StateDirectory
from streamswarm_agent.transport.client import ServerClient
from streamswarm_agent.wire.messages import CollectorSettings, Config

logger = logging.getLogger(__name__)

_CONFIG_FILE = "config.json"


class Settings:
    """Holds the configuration and the egress policy that follows from it."""

    def __init__(
        self,
        state: StateDirectory,
        resolver: PolicyResolver,
        configuration: Configuration | None = None,
    ) -> None:
        """`configuration` is what this host's owner says."""
        self.configuration = configuration or Configuration()
        self._state = state
        self._resolver = resolver
        self.config = Config()
        self.etag = ""

    def resume(self) -> None:
        """Take the configuration on disk; one that is not understood is ignored."""
        self._apply(Config(), "")
        try:
            kept = self._state.read_json(_CONFIG_FILE)
            if kept is not None:
                self._apply(Config.parse(kept["config"]), str(kept["etag"]))
        except (StateUnusable, KeyError, TypeError, ValueError, AttributeError) as error:
            logger.warning("config_ignored file=%s reason=%r", _CONFIG_FILE, error)

    def read_collector(self, name: str) -> CollectorSettings:
        """Whether and how often a collector is read, by the owner's and the server's word."""
        return self.configuration.judge_collector(name, self.config)

    async def refresh(self, client: ServerClient) -> None:
        """Take the server's configuration if it is another one, and keep it on disk.

        Raises: StateUnusable when its policy is not understood; the former one then stays.
        """
        answer = await client.fetch_config(self.etag)
        if answer is None:
            return
        self._apply(answer.config, answer.etag)
        logger.info("config_applied etag=%s", answer.etag)
        await asyncio.to_thread(self._keep, {"etag": answer.etag, "config": answer.document})

    def _apply(self, config: Config, etag: str) -> None:
        self._resolver.replace_server_denials(config.denied_networks)
        self.config = config
        self.etag = etag

    def _keep(self, document: dict[str, Any]) -> None:
        try:
            self._state.write_json(_CONFIG_FILE, document)
        except StateUnusable as error:
            logger.warning("config_not_kept reason=%s", error)
