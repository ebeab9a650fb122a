"""A file for what no sink took, so that nothing fetched is lost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..accounts import Account
from ..values import Outcome, Snapshot
from .files import FileSink
from .records import JsonLines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .rows import Row
    from .sink import Sink

__all__ = ["Spill"]

_AT_ONCE: Final = 500


class Spill:
    """Keeps outcomes in a JSON Lines file that its owner alone reads (0600), until a sink is back.

    The file is made when something is written, and read as `JsonLinesSink` reads it. Raises
    StorageError where it cannot be used.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @property
    def holds_something(self) -> bool:
        """Whether there is something to recover."""
        return self.path.exists() and self.path.stat().st_size > 0

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Keep the snapshots among outcomes, and ids that were found out."""
        sink = self._open()
        try:
            sink.write(outcomes)
        finally:
            sink.close()

    def recover(self, sink: Sink) -> int:
        """Hand everything to `sink`, remove the file, and tell how many snapshots there were.

        Where the sink raises StorageError the file stays as it is; what the sink has taken by
        then it takes again, without harm.
        """
        if not self.holds_something:
            return 0
        held = self._open()
        count = 0
        try:
            batch: list[Outcome] = []
            for row in held.rows():
                batch.append(_outcome(row))
                count += row.day is not None
                if len(batch) == _AT_ONCE:
                    sink.write(batch)
                    batch = []
            if batch:
                sink.write(batch)
            self.path.unlink()
        finally:
            held.close()
        return count

    def _open(self) -> FileSink:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return FileSink(self.path, JsonLines(), mode=0o600)


def _outcome(row: Row) -> Outcome:
    account = Account(
        platform=row.platform,
        url=row.url,
        handle=row.handle,
        organization=row.organization,
        is_core=row.is_core,
        is_active=row.is_active,
    )
    snapshot = Snapshot(
        account=account,
        platform=row.platform,
        handle=row.handle,
        account_id=row.account_id,
        display_name=row.display_name,
        taken_at=row.taken_at,
        figures=row.figures,
    )
    return Outcome(
        account=account,
        platform=row.platform,
        handle=row.handle,
        status="failure" if row.day is None else "success",
        snapshot=None if row.day is None else snapshot,
        account_id=row.account_id,
        at=row.taken_at,
    )
