"""Those who wait for word of another process."""

from __future__ import annotations

import threading
from concurrent.futures import Future

__all__ = ["Waiting"]


class Waiting:
    """Futures by key, done when another process tells of it: with the message's first letter."""

    def __init__(self) -> None:
        # Guards the futures; reentrant as that of flights.
        self._lock = threading.RLock()
        self._waiters: dict[str, list[Future[str]]] = {}

    def __len__(self) -> int:
        return len(self._waiters)

    def __contains__(self, key: str) -> bool:
        return key in self._waiters

    def wait_for(self, key: str) -> Future[str]:
        """Begin to wait for word of `key`."""
        waiter: Future[str] = Future()
        with self._lock:
            self._waiters.setdefault(key, []).append(waiter)
        return waiter

    def no_more(self, key: str, waiter: Future[str]) -> None:
        """End the waiting for word of `key`."""
        with self._lock:
            waiters = self._waiters.get(key)
            if waiters is not None:
                waiters[:] = [each for each in waiters if each is not waiter]
                if not waiters:
                    del self._waiters[key]

    def tell(self, op: str, key: str | None) -> None:
        """Wake those who wait for word of `key`; of any, if it is None."""
        with self._lock:
            keys = list(self._waiters) if key is None else [key]
            woken = [waiter for each in keys for waiter in self._waiters.get(each, ())]
        for waiter in woken:
            if not waiter.done():
                waiter.set_result(op)
