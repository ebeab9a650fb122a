"""The lock of a first-level store: finalizers and forks come when it is held, too."""

from __future__ import annotations

from collections import deque
from functools import partial
from threading import RLock
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple
from weakref import WeakMethod

from ..._fork import renew_after_fork

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Guard"]

T = TypeVar("T")
M = TypeVar("M")
Ts = TypeVarTuple("Ts")


class Guard:
    """Holds the lock that guards what a store writes; reentrant, as finalizers run anywhere.

    A child that was forked while another thread held the lock would wait for ever, and would find
    the store half written: there `reset` is called, which starts the store anew.
    """

    __slots__ = ("__weakref__", "_busy", "_reset", "later", "lock")
    _busy: bool

    def __init__(self, reset: Callable[[], object]) -> None:
        self._reset = WeakMethod(reset)
        self.renew()
        renew_after_fork(self)

    def run(
        self,
        meanwhile: M,
        deed: Callable[[list[object], *Ts], T],
        *args: *Ts,
        left: list[object] | None = None,
    ) -> T | M:
        """Do a deed under the lock, and one at a time even within a thread.

        What a finalizer asks for in the midst of another deed is done after that one; it gets
        `meanwhile` at once.  A deed puts what it drops on the list that is its first argument,
        `left` if that is given: it lives until the lock is released, so that finalizers run later.
        """
        if left is None:
            left = []
        with self.lock:
            if self._busy:
                self.later.append(partial(deed, left, *args))
                return meanwhile
            self._busy = True
            try:
                done = deed(left, *args)
                while self.later:
                    # What it drops goes to the list of who waits here: its own may be gone.
                    put_off = self.later.popleft()
                    left += [put_off, put_off()]
            finally:
                self._busy = False
        return done

    def renew(self) -> None:
        """Take a new lock, whoever holds the old one."""
        self.lock = RLock()
        self._busy = False
        self.later: deque[Callable[[], object]] = deque()
        """What was asked for in the midst of a deed; not empty for as long as that takes."""

    def after_fork_in_child(self) -> None:
        """Start the store anew, if a thread that is no more held the lock."""
        if self.lock.acquire(blocking=False):
            self.lock.release()
            return
        reset = self._reset()
        if reset is not None:
            reset()
