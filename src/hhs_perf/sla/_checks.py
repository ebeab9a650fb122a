"""Checks of what people write: every mistake is gathered, under its key, and raised once."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ..exceptions import ConfigurationError
from ..metrics import WINDOWS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Checks", "joined", "key_text", "plain_number", "plain_tags", "shown"]

_LONGEST_SHOWN: Final = 60


def shown(value: object) -> str:
    """Give `value` as a message shows it: on one line, and short."""
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python turns into text
        return "a number with too many digits"
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def key_text(key: str) -> str:
    """Give one part of a dotted key as a message shows it: quoted unless it is a plain word."""
    return key if re.fullmatch(r"[\w.-]+", key, re.ASCII) else shown(key)


def joined(prefix: str, key: str) -> str:
    """Give the dotted key of `key` under `prefix`, either of which may be empty."""
    return f"{prefix}.{key}" if prefix and key else prefix or key


def plain_number(value: float) -> float:
    """Turn an int that fits into a float; leave anything else for the checks to refuse."""
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return value
    return value


def optional_number(value: float | None) -> float | None:
    """Do as `plain_number`, and leave None."""
    return value if value is None else plain_number(value)


def plain_tags(value: Mapping[str, str]) -> Mapping[str, str]:
    """Copy a mapping, so that nobody changes it later; leave anything else for the checks."""
    return dict(value) if isinstance(value, Mapping) else value


class Checks:
    """Gathers mistakes; each is `key: what must hold, got what`."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self.problems: list[str] = []

    def __call__(self, key: str, message: str) -> None:
        """Take a mistake."""
        self.problems.append(f"{joined(self._prefix, key)}: {message}")

    def number(
        self,
        key: str,
        value: object,
        *,
        above: float | None = None,
        least: float | None = None,
        most: float | None = None,
    ) -> bool:
        """Tell whether `value` is a finite number in these bounds."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            self(key, f"must be a number, got {shown(value)}")
            return False
        try:
            finite = math.isfinite(value)
        except OverflowError:
            finite = False
        if not finite:
            self(key, f"must be a finite number, got {shown(value)}")
        elif above is not None and not value > above:
            self(key, f"must be > {above:g}, got {value:g}")
        elif (least is not None and value < least) or (most is not None and value > most):
            bounds = f"between {least:g} and {most:g}" if most is not None else f">= {least:g}"
            self(key, f"must be {bounds}, got {value:g}")
        else:
            return True
        return False

    def whole(self, key: str, value: object, *, least: int) -> bool:
        """Tell whether `value` is an integer of at least `least`."""
        sound = isinstance(value, int) and not isinstance(value, bool) and value >= least
        if not sound:
            self(key, f"must be a whole number of at least {least}, got {shown(value)}")
        return sound

    def word(self, key: str, value: object, *, empty: bool = False) -> bool:
        """Tell whether `value` is a string, and not an empty one unless `empty`."""
        sound = isinstance(value, str) and (empty or bool(value))
        if not sound:
            self(key, f"must be {'a' if empty else 'a non-empty'} string, got {shown(value)}")
        return sound

    def choice(self, key: str, value: object, allowed: Sequence[str]) -> bool:
        """Tell whether `value` is one of the words `allowed`."""
        sound = isinstance(value, str) and value in allowed
        if not sound:
            self(key, f"must be one of {', '.join(allowed)}, got {shown(value)}")
        return sound

    def window(self, key: str, value: object) -> bool:
        """Tell whether `value` names a window."""
        return self.choice(key, value, [window.name for window in WINDOWS])

    def tags(self, key: str, value: object) -> bool:
        """Tell whether `value` maps names of tags to their values, all of them strings."""
        sound = isinstance(value, Mapping) and all(
            isinstance(k, str) and isinstance(v, str) for k, v in value.items()
        )
        if not sound:
            self(key, f"must be a table of strings, got {shown(value)}")
        return sound

    def done(self) -> None:
        """Raise ConfigurationError with all mistakes, if there are any."""
        if self.problems:
            raise ConfigurationError(self.problems)
