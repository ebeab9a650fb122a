"""Windows looked back on, and the slots they are made of."""

from __future__ import annotations

from typing import Final, NamedTuple

from ..exceptions import UnknownWindowError

__all__ = ["DAY", "FIVE_MINUTES", "HOUR", "WINDOWS", "Window", "window_named"]


class Window(NamedTuple):
    """A period up to now, made of `slots` slots of `slot_seconds` each, the open one included."""

    name: str
    slot_seconds: int
    slots: int

    @property
    def seconds(self) -> int:
        """The length; an answer covers between `seconds - slot_seconds` and `seconds`."""
        return self.slot_seconds * self.slots


FIVE_MINUTES: Final = Window("5m", 30, 10)
HOUR: Final = Window("1h", 300, 12)
DAY: Final = Window("24h", 3600, 24)
WINDOWS: Final = (FIVE_MINUTES, HOUR, DAY)


def window_named(name: str) -> Window:
    """Give the window `name`; raises UnknownWindowError, which lists those that exist."""
    for window in WINDOWS:
        if window.name == name:
            return window
    raise UnknownWindowError(name, [window.name for window in WINDOWS])
