"""The rows of snapshots, one for each account and day, and what is to be known of their figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, case, delete, func, or_, select

from ..values import FIGURE_NAMES
from .keys import insert_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date

    from sqlalchemy import Connection, Dialect, Insert, RowMapping

    from ..values import FigureName
    from .rows import Row
    from .tables import Tables

__all__ = ["DailyRows"]

_TAKEN: Final = "taken_at"


class DailyRows:
    """Writes the snapshots of a batch: a figure is replaced by one that has a value, by no other.

    `columns` are those that the table has; figures without one are left out.
    """

    def __init__(self, tables: Tables, dialect: Dialect, columns: Collection[str]) -> None:
        insert = insert_of(dialect)
        snapshots, figures = tables.snapshot, tables.figure
        self._names: tuple[FigureName, ...] = tuple(
            name for name in FIGURE_NAMES if name in columns
        )
        self._has_time = _TAKEN in columns
        held = snapshots.c
        self._snapshots = snapshots
        self._insert = insert
        # By the figures that they write: most platforms give few, and each costs in every row.
        self._upserts: dict[tuple[FigureName, ...], Insert] = {}
        kept = [held.account_key, *(held[name] for name in self._names)]
        if self._has_time:
            kept.append(held[_TAKEN])
        self._held = select(*kept).where(
            held.account_key.in_(bindparam("these", expanding=True)),
            held.snapshot_date == bindparam("day"),
        )
        said = insert(figures)
        self._say = said.on_conflict_do_update(
            index_elements=["account_key", "snapshot_date", "figure"],
            set_={"status": said.excluded.status, "granularity": said.excluded.granularity},
        )
        self._unsay = delete(figures).where(
            and_(
                figures.c.account_key == bindparam("key"),
                figures.c.snapshot_date == bindparam("day"),
                figures.c.figure == bindparam("name"),
            )
        )

    def write(self, connection: Connection, rows: Sequence[Row], keys: Sequence[int]) -> None:
        """Write the rows of accounts whose keys are known."""
        days: dict[date, dict[int, Row]] = {}
        for row, key in zip(rows, keys, strict=True):
            if row.day is None:
                continue
            ours = days.setdefault(row.day, {})
            # Two handles of one account, as when a list has its old one beside the new one.
            ours[key] = row.over(ours[key]) if key in ours else row
        said: list[dict[str, object]] = []
        unsaid: list[dict[str, object]] = []
        for day, ours in days.items():
            found = connection.execute(self._held, {"these": list(ours), "day": day}).mappings()
            held = {each["account_key"]: each for each in found}
            given = {name for row in ours.values() for name in row.figures}
            names = tuple(name for name in self._names if name in given)
            connection.execute(
                self._upsert(names),
                [self._parameters(row, key, names) for key, row in ours.items()],
            )
            for key, row in ours.items():
                self._judge(row, key, held.get(key), said, unsaid)
        if unsaid:
            connection.execute(self._unsay, unsaid)
        if said:
            connection.execute(self._say, said)

    def _upsert(self, names: tuple[FigureName, ...]) -> Insert:
        known = self._upserts.get(names)
        if known is not None:
            return known
        written = self._insert(self._snapshots)
        new, held = written.excluded, self._snapshots.c
        values: dict[str, Any] = {name: func.coalesce(new[name], held[name]) for name in names}
        if self._has_time:
            # What was written late was not taken late: it fills gaps alone.
            is_later = or_(new[_TAKEN] >= held[_TAKEN], held[_TAKEN].is_(None))
            values = {
                name: case((is_later, value), else_=func.coalesce(held[name], new[name]))
                for name, value in values.items()
            }
            values[_TAKEN] = case((is_later, new[_TAKEN]), else_=held[_TAKEN])
        days = [held.account_key, held.snapshot_date]
        upsert: Insert = (
            written.on_conflict_do_update(index_elements=days, set_=values)
            if values
            else written.on_conflict_do_nothing(index_elements=days)
        )
        return self._upserts.setdefault(names, upsert)

    def _parameters(self, row: Row, key: int, names: tuple[FigureName, ...]) -> dict[str, object]:
        figures = row.figures
        values: dict[str, object] = {
            name: figures[name].value if name in figures else None for name in names
        }
        values["account_key"] = key
        values["snapshot_date"] = row.day
        if self._has_time:
            values[_TAKEN] = row.taken_at
        return values

    def _judge(
        self,
        row: Row,
        key: int,
        held: RowMapping | None,
        said: list[dict[str, object]],
        unsaid: list[dict[str, object]],
    ) -> None:
        """Find out what has to be said of the figures that are stored now."""
        for name, figure in row.figures.items():
            if name not in self._names:
                continue
            if held is not None and held[name] is not None:
                taken = held[_TAKEN] if self._has_time else None
                is_older = taken is not None and row.taken_at < taken
                if figure.value is None or is_older:
                    continue
            if figure.status != "ok":
                said.append(
                    {
                        "account_key": key,
                        "snapshot_date": row.day,
                        "figure": name,
                        "status": figure.status,
                        "granularity": figure.granularity,
                    }
                )
            elif held is not None:
                unsaid.append({"key": key, "day": row.day, "name": name})
