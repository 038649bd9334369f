#!/usr/bin/env python
import os
import sys

from django.core.management import execute_from_command_line


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "streamswarm.settings")
    # Commands are modules, whose names have no hyphens: test-connectivity is test_connectivity.
    words = list(sys.argv)
    if len(words) > 1 and not words[1].startswith("-"):
        words[1] = words[1].replace("-", "_")
    execute_from_command_line(words)


if __name__ == "__main__":
    main()
