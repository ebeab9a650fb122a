"""What can go wrong while the demo runs."""

from __future__ import annotations

from ..exceptions import HhsPerfError

__all__ = ["DemoError"]


class DemoError(HhsPerfError):
    """The demo's server or its clients failed; `log` holds the end of the server's log, if any."""

    def __init__(self, message: str, log: str = "") -> None:
        self.log = log
        super().__init__(message)
