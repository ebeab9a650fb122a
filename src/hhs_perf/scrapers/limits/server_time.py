"""How far a server's clock is ahead of a monotonic one, known better with every answer."""

from __future__ import annotations

import threading

__all__ = ["ServerTime"]


class ServerTime:
    """Two bounds of the difference: a server reads its clock between the question and the answer.

    The bounds of all answers hold together until the clocks drift or jump apart; then those of the
    newest answer count alone. Any thread may call.
    """

    def __init__(self) -> None:
        # Guards both bounds.
        self._lock = threading.RLock()
        self._least = float("-inf")
        self._most = float("inf")

    def learn(self, server: float, asked: float, answered: float) -> None:
        """Take that the server read `server` between `asked` and `answered`."""
        least, most = server - answered, server - asked
        with self._lock:
            self._least, self._most = max(self._least, least), min(self._most, most)
            if self._least > self._most:
                self._least, self._most = least, most

    def local(self, server: float) -> float:
        """Give the monotonic reading at which the server's clock has passed `server` for sure."""
        return server - self._least
