"""`python -m streamswarm_agent`."""

import sys

from streamswarm_agent.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
