"""What a snapshot is where it is kept: one row for each account and UTC day."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

import attrs

from ..values import FIGURE_NAMES, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..values import Figure, FigureName, Outcome
    from .sink import AccountKey

__all__ = ["Row", "clean", "day_of", "row_of", "rows_of"]

_EPOCH: Final = date(1970, 1, 1).toordinal()
_A_DAY: Final = 86_400
_LONGEST: Final = 1000
_LONGEST_ID: Final = 200


@attrs.define(kw_only=True, eq=False)
class Row:
    """The figures of an account on a day, and what was found out about it."""

    platform: str
    handle: str
    account_id: str | None
    display_name: str | None
    organization: str
    url: str | None
    is_core: bool
    is_active: bool
    day: date | None
    """The UTC day; None where there is no snapshot, only the id that a failed run found out."""
    taken_at: float
    """Seconds since 1970-01-01 UTC."""
    figures: dict[FigureName, Figure]
    """Without those that are absent."""
    listed_as: str = ""
    """What the list calls the platform: a host may say `Twitter`, and its rows say so, too."""

    @property
    def key(self) -> AccountKey:
        """Whose row it is."""
        return self.platform, self.handle

    def over(self, other: Row) -> Row:
        """Lay this row, taken later, over another of the same account and day.

        A figure takes the place of another only where it has a value: what is hidden or absent
        now was known earlier in the day.
        """
        figures = dict(other.figures)
        for name, figure in self.figures.items():
            if figure.value is not None or name not in figures:
                figures[name] = figure
        return attrs.evolve(
            self,
            figures=figures,
            account_id=self.account_id or other.account_id,
            display_name=self.display_name or other.display_name,
        )


def day_of(seconds: float) -> date:
    """Give the UTC day of a moment."""
    return date.fromordinal(_EPOCH + int(seconds // _A_DAY))


def rows_of(outcomes: Iterable[Outcome]) -> list[Row]:
    """Make rows of the snapshots among outcomes: of an account and day one, in a fixed order."""
    rows: dict[tuple[str, str, date], Row] = {}
    for outcome in outcomes:
        row = row_of(outcome)
        if row is None:
            continue
        place = row.platform, row.handle, row.day or date.min
        other = rows.get(place)
        if other is not None:
            row = row.over(other) if row.taken_at >= other.taken_at else other.over(row)
        rows[place] = row
    # Two writers that lock the same rows in the same order never wait for each other in a ring.
    return [rows[place] for place in sorted(rows)]


def row_of(outcome: Outcome) -> Row | None:
    """Make the row of an outcome; None where there is nothing to keep."""
    snapshot = outcome.snapshot
    if snapshot is not None:
        return _row(snapshot)
    if outcome.account_id is None or outcome.platform is None or outcome.handle is None:
        return None
    bare = Snapshot(
        account=outcome.account,
        platform=outcome.platform,
        handle=outcome.handle,
        account_id=outcome.account_id,
        display_name=None,
        taken_at=outcome.at,
        figures={},
    )
    return attrs.evolve(_row(bare), day=None)


def _row(snapshot: Snapshot) -> Row:
    account = snapshot.account
    name = snapshot.display_name or account.display_name
    return Row(
        platform=snapshot.platform,
        handle=clean(snapshot.handle),
        account_id=_id(snapshot.account_id),
        display_name=None if name is None else clean(name[:_LONGEST]),
        organization=clean(account.organization),
        url=None if account.url is None else clean(account.url),
        is_core=account.is_core,
        is_active=account.is_active,
        day=day_of(snapshot.taken_at),
        taken_at=snapshot.taken_at,
        figures={
            name: figure
            for name in FIGURE_NAMES
            if (figure := snapshot.figures.get(name)) is not None and figure.status != "absent"
        },
        listed_as=clean(account.platform),
    )


def _id(text: str | None) -> str | None:
    """Leave out an id that is longer than any: cut, it would be another's."""
    return None if text is None or len(text) > _LONGEST_ID else clean(text)


def clean(text: str) -> str:
    """Replace what no database takes for text: NUL, and halves of surrogate pairs."""
    if text.isascii():
        return text.replace("\0", "\ufffd") if "\0" in text else text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
