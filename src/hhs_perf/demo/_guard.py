"""Run a server that ends with the process that started it.

`python -m hhs_perf.demo._guard PARENT COMMAND...` asks the kernel for a SIGTERM once the parent
is gone, then becomes the command. It is a process of its own because the same request made
between fork and exec of a threaded program (`preexec_fn`) can deadlock.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

__all__ = ["main"]

_PR_SET_PDEATHSIG: Final = 1


def main(arguments: list[str]) -> None:
    """Become the command `arguments[1:]`, unless the parent `arguments[0]` is gone already."""
    parent, *command = arguments
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != int(parent):
            return
    os.execv(command[0], command)  # noqa: S606 -- the command comes from our own caller


if __name__ == "__main__":
    main(sys.argv[1:])
