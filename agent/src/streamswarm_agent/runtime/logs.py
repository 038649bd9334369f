"""Where the running agent's log goes."""

import logging
import logging.handlers
import sys

from streamswarm_agent.errors import ConfigurationRefused
from streamswarm_agent.runtime.configuration.resolution import Configuration
from streamswarm_agent.runtime.configuration.table import BYTES_PER_MEGABYTE

LINE_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def direct_log(configuration: Configuration, *, is_verbose: bool = False) -> None:
    """Log to the configured file, begun anew when it is full, or to standard error.

    Raises: ConfigurationRefused when the file cannot be written.
    """
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    file = configuration.read_text("log.file")
    if file is not None:
        megabytes = configuration.read_number("log.file_megabytes")
        try:
            handler = logging.handlers.RotatingFileHandler(
                file,
                maxBytes=round(megabytes * BYTES_PER_MEGABYTE),
                backupCount=round(configuration.read_number("log.file_count")),
                encoding="utf-8",
            )
        except OSError as error:
            raise ConfigurationRefused(f"log.file: {file}: {error.strerror}") from error
    logging.basicConfig(format=LINE_FORMAT, handlers=[handler], force=True)
    if is_verbose:
        logging.getLogger().setLevel(logging.DEBUG)
    else:
        set_level(configuration)


def set_level(configuration: Configuration) -> None:
    """Log what the configuration asks for from now on."""
    level = configuration.read_text("log.level") or "info"
    logging.getLogger().setLevel(level.upper())
