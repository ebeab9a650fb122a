"""A thread that does something again and again while its owner lives."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from weakref import WeakMethod

from ._fork import renew_after_fork

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._faults import Faults

__all__ = ["Ticker"]


class Ticker:
    """Calls a bound method every `seconds` on a daemon thread.

    It holds the method's owner weakly: an owner that nobody closed ends its ticker by being
    collected. In a forked child a running ticker starts again. What the method raises goes to
    `faults`, and the ticking goes on.
    """

    def __init__(self, tick: Callable[[], None], seconds: float, name: str, faults: Faults) -> None:
        self._tick = WeakMethod(tick)
        self._faults = faults
        self._seconds = seconds
        self._name = name
        # Guards the two fields below.
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        renew_after_fork(self)

    @property
    def is_running(self) -> bool:
        """Tell whether the thread was started and lives."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def start(self) -> None:
        """Start the thread, unless it runs."""
        with self._lock:
            if self.is_running:
                return
            self._stop = threading.Event()
            self._thread = threading.Thread(
                target=_run,
                args=(self._tick, self._stop, self._seconds, self._faults),
                name=self._name,
                daemon=True,
            )
            self._thread.start()

    def stop(self) -> None:
        """Stop the thread and wait for a tick under way, five seconds at most."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._stop.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(5)

    def after_fork_in_child(self) -> None:
        """Start again if the parent's ran: threads do not survive a fork."""
        ran = self._thread is not None
        self._lock = threading.Lock()
        self._thread = None
        if ran:
            self.start()


def _run(
    tick: WeakMethod[Callable[[], None]], stop: threading.Event, seconds: float, faults: Faults
) -> None:
    while not stop.wait(seconds):
        call = tick()
        if call is None:
            return
        try:
            call()
        except (Exception, SystemExit) as exc:  # noqa: BLE001 - a named border: the tick
            faults.note("the tick", exc)
        del call
