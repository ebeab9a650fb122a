"""What a sink did not take and a run wrote to a file, brought to where it belongs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..accounts import Account
from ..values import Outcome, Snapshot
from .files import JsonLinesSink

if TYPE_CHECKING:
    from .rows import Row
    from .sink import Sink

__all__ = ["recover"]

_AT_ONCE: Final = 500


def recover(path: Path | str, to: Sink) -> int:
    """Hand the snapshots of a JSON Lines file to `to`, remove the file, and count them.

    Later figures of a day stay where `to` has them already. Raises StorageError, after which the
    file stands as it was and this may be tried again.
    """
    held = JsonLinesSink(path, mode=0o600)
    count = 0
    try:
        batch: list[Outcome] = []
        for outcome in map(_outcome, held.rows()):
            batch.append(outcome)
            count += outcome.snapshot is not None
            if len(batch) == _AT_ONCE:
                to.write(batch)
                batch = []
        to.write(batch)
        Path(path).unlink()
    finally:
        held.close()
    return count


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
