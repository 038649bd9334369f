"""Run as a script between fork and exec: ties a child's life to the process that started it.

`launcher.py PARENT_PROCESS_ID PROGRAM ARGUMENT...`. On Linux the kernel then kills the child when
its parent dies, however it dies (prctl(2), PR_SET_PDEATHSIG); the tie survives the exec.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
EXIT_CODE_NOT_FOUND = 127


def tie_to_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main(parent_process_id: int, argv: list[str]) -> int:
    tie_to_parent()
    if os.getppid() != parent_process_id:
        # The parent died before the tie was made, so nothing will ever kill this process.
        return 1
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - replacing this process is the point
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
    return EXIT_CODE_NOT_FOUND


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
