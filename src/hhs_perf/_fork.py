"""One registration for all that must start anew in a forked child."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet

__all__ = ["ForkAware", "keep_of_parent", "renew_after_fork"]


class ForkAware(Protocol):
    """Something whose state belongs to one process."""

    def after_fork_in_child(self) -> None:
        """Forget what the parent had: called in the child, where no other thread lives yet."""
        ...


_AWARE: WeakSet[ForkAware] = WeakSet()
_PARENTS: list[object] = []


def renew_after_fork(thing: ForkAware) -> None:
    """Call `thing.after_fork_in_child()` in every child forked while `thing` lives."""
    _AWARE.add(thing)


def keep_of_parent(*things: object) -> None:
    """Keep in a forked child what is its parent's from being finalized, to the child's end.

    Finalizers of connections and event loops would end what the parent goes on using. A process
    holds those of its ancestors, as many as were open when it was forked; None is left out.
    """
    _PARENTS.extend(thing for thing in things if thing is not None)


def _renew() -> None:
    for thing in list(_AWARE):
        thing.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
