"""The seam between the engine and where snapshots go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import date
    from pathlib import Path

    from sqlalchemy import URL, Engine

    from ..values import Outcome

__all__ = ["AccountKey", "Destination", "Sink"]

AccountKey = tuple[str, str]
"""The platform's name and the normalised handle."""


@runtime_checkable
class Sink(Protocol):
    """Keeps snapshots. Called from one thread at a time, not that of the event loop."""

    def account_ids(self) -> Mapping[AccountKey, str]:
        """Give what earlier runs found out: what the platforms call the accounts for ever."""
        ...

    def done_on(self, day: date) -> AbstractSet[AccountKey]:
        """Give the accounts of which there is a snapshot of this UTC day."""
        ...

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Keep the snapshots among them, all or none; those of the same account and day once.

        Of a failure only `account_id` is kept, where it has one: it never replaces a snapshot.
        Raises StorageError, after which it may be tried again with the same outcomes.
        """
        ...

    def close(self) -> None:
        """Let go of what is open; the sink is not used again."""
        ...


Destination: TypeAlias = "Sink | str | Path | URL | Engine"
"""A sink, or what `open_sink` makes one of."""
