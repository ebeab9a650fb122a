"""The command `hhs-perf`: the demo, the state of a running application, the settings."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from . import _exits

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit status.

    Errors are one line on stderr. 64 is a usage error, 78 a configuration error (a missing extra
    among them), 130 an interrupt; `status` has statuses of its own.
    """
    try:
        from ._run import run  # noqa: PLC0415 -- click and rich are an extra
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.partition(".")[0] not in {"click", "rich"}:
            raise
        sys.stderr.write("hhs-perf: needs an extra: pip install 'hhs-perf[cli]'\n")
        return _exits.CONFIGURATION
    return run(sys.argv[1:] if arguments is None else list(arguments))
