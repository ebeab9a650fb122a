"""What was proven lately: a proof keeps writers waiting, and is not made again so soon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..._clock import Clock
    from .gate import Choice

__all__ = ["AGAIN_AFTER", "AGAIN_AFTER_FAILURE", "Outcome", "ProofBook", "key_of"]

AGAIN_AFTER: Final = 600.0
"""Seconds for which a proof stands."""
AGAIN_AFTER_FAILURE: Final = 60.0
"""Seconds after which one that failed is tried again, as where a lock was not free."""
_MOST: Final = 1000

Key = tuple[object, ...]


@attrs.frozen(kw_only=True)
class Outcome:
    """How many times cheaper the statement became, and by which indexes; or why that is unknown.

    `used` are places in the choices that were tried, as are those `refused`, with the reason: the
    database does not take such an index, and will not later.
    """

    used: frozenset[int] = frozenset()
    gain: float = 1.0
    failure: str | None = None
    refused: Mapping[int, str] = attrs.field(factory=dict)


class ProofBook:
    """Remembers proofs by database, statement and columns, at most 1,000 of them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Each step on it is atomic under the GIL.
        self._known: dict[Key, tuple[float, Outcome]] = {}

    def get(self, key: Key) -> Outcome | None:
        """Give what came of a proof, None where it is to be made."""
        held = self._known.get(key)
        if held is None:
            return None
        at, outcome = held
        lasts = AGAIN_AFTER if outcome.failure is None else AGAIN_AFTER_FAILURE
        return outcome if self._clock.monotonic() - at < lasts else None

    def keep(self, key: Key, outcome: Outcome) -> None:
        """Remember what came of one."""
        self._known.pop(key, None)
        for old in list(self._known)[: len(self._known) + 1 - _MOST]:
            self._known.pop(old, None)
        self._known[key] = (self._clock.monotonic(), outcome)


def key_of(database: str, statement: str, choices: Iterable[Choice]) -> Key:
    """Give what a proof is remembered by."""
    tried = (
        (one.table.schema, one.table.name, one.columns, tuple(sorted(one.prefixes)))
        for one in choices
    )
    return (database, statement, *tried)
