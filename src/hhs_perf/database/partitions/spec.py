"""What partitions a table is to have."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from .months import Month

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = ["ByList", "ByMonth", "Level", "PartitionSpec"]

_MOST_LEVELS: Final = 2
_MOST_MONTHS: Final = 1200


_MONTHS: Final = [attrs.validators.ge(0), attrs.validators.le(_MOST_MONTHS)]


def _zone(name: str) -> dt.tzinfo:
    return dt.UTC if name == "UTC" else ZoneInfo(name)


def _check_timezone(_spec: ByMonth, _field: attrs.Attribute[Any], name: str) -> None:
    try:
        _zone(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ValueError(f"no time zone is called {name!r}") from None


def _as_levels(levels: Iterable[Level]) -> tuple[Level, ...]:
    return tuple(levels)


def _as_values(values: Iterable[object]) -> tuple[str, ...]:
    if isinstance(values, str):
        raise TypeError(f"values are a sequence of texts, not the text {values!r}")
    return tuple(map(str, values))


def _check_values(_spec: ByList, _field: attrs.Attribute[Any], values: tuple[str, ...]) -> None:
    if not values:
        raise ValueError("a list has at least one value")
    if len(set(values)) < len(values):
        raise ValueError(f"a value stands twice: {', '.join(values)}")
    if any("\0" in value for value in values):
        raise ValueError("PostgreSQL has no text with a NUL in it")


@attrs.frozen(kw_only=True)
class ByMonth:
    """One partition a month: `PARTITION BY RANGE (column)`, a date or a timestamp.

    Months of a column `timestamptz` begin at midnight in `timezone`. With `default`, rows of
    months without a partition go to one of their own; without it PostgreSQL refuses them.
    """

    column: str
    timezone: str = attrs.field(default="UTC", validator=_check_timezone)
    default: bool = False

    @property
    def zone(self) -> dt.tzinfo:
        """The time zone."""
        return _zone(self.timezone)


@attrs.frozen(kw_only=True)
class ByList:
    """One partition a value: `PARTITION BY LIST (column)`, and one for all other rows."""

    column: str
    values: tuple[str, ...] = attrs.field(converter=_as_values, validator=_check_values)
    default: bool = True


Level = ByMonth | ByList


def _check_levels(
    _spec: PartitionSpec, _field: attrs.Attribute[Any], levels: tuple[Level, ...]
) -> None:
    kinds = {type(level) for level in levels}
    if not 1 <= len(levels) <= _MOST_LEVELS or len(kinds) < len(levels):
        raise ValueError("partition by month, by list, or by one of each")


def _as_month(value: Month | dt.date | str | None) -> Month | None:
    match value:
        case None | Month():
            return value
        case dt.date():
            return Month.of(value)
    return Month.parse(value)


@attrs.frozen(kw_only=True)
class PartitionSpec:
    """The partitions that a table is to have.

    Args:
        table: Its name, without quotes.
        schema: Its schema; by default the one in which PostgreSQL finds the table.
        by: The levels, the outer one first: `(ByMonth(column="ts"),)`, or a list within months.
        ahead: Months after the present one that are to exist already.
        since: The first month that is to exist; by default the present one. A month may be given
            as `"2026-01"` or as a date.
        keep: Months before the present one that stay; earlier ones are detached. None keeps all.
        drop: Whether what is detached is also dropped.
        concurrently: Detach without a lock on the table where PostgreSQL allows it: from version
            14 on, outside a transaction, and where there is no DEFAULT partition.

    Raises:
        ValueError: A figure is negative, or the levels are not one of month and list each.
    """

    table: str = attrs.field(validator=attrs.validators.min_len(1))
    by: tuple[Level, ...] = attrs.field(converter=_as_levels, validator=_check_levels)
    schema: str | None = None
    ahead: int = attrs.field(default=3, validator=_MONTHS)
    since: Month | None = attrs.field(default=None, converter=_as_month)
    keep: int | None = attrs.field(default=None, validator=attrs.validators.optional(_MONTHS))
    drop: bool = False
    concurrently: bool = True
