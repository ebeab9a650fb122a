"""What both kinds of links do alike: calls of scripts and of loaders, and long waits."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ..flight import loading
from ..policy import replaced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..flight import Flight
    from ..policy import Previous
    from .scripts import Call

__all__ = ["Loading", "by_hash", "is_unknown_script", "pauses", "whole"]

_NO_SCRIPT: Final = "NOSCRIPT"

# While another event loop loads, it is seen so often whether that still runs, in seconds.
_LOOK_EVERY: Final = 0.25

Command = tuple[object, ...]


def by_hash(call: Call) -> Command:
    """Spell a call by its hash, which is short."""
    script, keys, arguments = call
    return ("EVALSHA", script.sha, len(keys), *keys, *arguments)


def whole(call: Call) -> Command:
    """Spell a call with the whole script, where the server does not know it."""
    script, keys, arguments = call
    return ("EVAL", script.text, len(keys), *keys, *arguments)


def is_unknown_script(answer: object) -> bool:
    """Tell whether an answer says that the server does not know the script."""
    return isinstance(answer, Exception) and (
        type(answer).__name__ == "NoScriptError" or _NO_SCRIPT in str(answer)[:20]
    )


class Loading:
    """Lets a loader, and the loads within it, know what they are part of."""

    __slots__ = ("_flight", "_previous", "_tokens")

    def __init__(self, flight: Flight, previous: Previous | None) -> None:
        self._flight = flight
        self._previous = previous

    def __enter__(self) -> None:
        self._tokens = (
            loading.set((*loading.get(), self._flight)),
            replaced.set(self._previous),
        )

    def __exit__(self, *_: object) -> None:
        part_of, before = self._tokens
        # A task that is collected with its event loop ends in whatever context that happens.
        with suppress(ValueError):
            loading.reset(part_of)
            replaced.reset(before)


def pauses(seconds: float | None) -> Iterator[float]:
    """Cut a wait into pieces, between which to look whether it is in vain."""
    while seconds is None or seconds > 0:
        pause = _LOOK_EVERY if seconds is None else min(seconds, _LOOK_EVERY)
        yield pause
        seconds = None if seconds is None else seconds - pause
