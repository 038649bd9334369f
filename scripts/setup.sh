#!/usr/bin/env bash
# Finds a Python that is new enough; prepare.py does everything else.
set -euo pipefail
cd "$(dirname "$0")/.."

hand_over_to_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            exec "$candidate" scripts/prepare.py "$@"
        fi
    done
}

hand_over_to_python "$@"
if [[ $EUID -eq 0 ]] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 python3-venv
    hash -r
    hand_over_to_python "$@"
fi
echo "StreamSwarm needs Python 3.11 or newer. On Debian or Ubuntu run this line, then try again:" >&2
echo "    sudo apt-get update && sudo apt-get install -y python3 python3-venv" >&2
exit 1
