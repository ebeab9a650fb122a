"""Months, and the instants at which they begin."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final, Self

import attrs

__all__ = ["INFINITY", "Month", "instant_of", "literal_of"]

INFINITY: Final = dt.datetime.max.replace(tzinfo=dt.UTC)
_BEGINNING: Final = dt.datetime.min.replace(tzinfo=dt.UTC)
_EXTREMES: Final = {
    **dict.fromkeys(("MINVALUE", "'-infinity'"), _BEGINNING),
    **dict.fromkeys(("MAXVALUE", "'infinity'"), INFINITY),
}
_FORM: Final = re.compile(r"(\d{4})-(\d{2})")
_LONG_YEAR: Final = re.compile(r"'\d{5,}-")


@attrs.frozen(order=True)
class Month:
    """A month of the years 1000 to 9999; others raise `ValueError`."""

    year: int = attrs.field(validator=[attrs.validators.ge(1000), attrs.validators.le(dt.MAXYEAR)])
    month: int = attrs.field(validator=[attrs.validators.ge(1), attrs.validators.le(12)])

    @classmethod
    def of(cls, day: dt.date) -> Self:
        """Give the month that `day` is in."""
        return cls(day.year, day.month)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `2026-01`; raises `ValueError`."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError(f"a month is written 2026-01, not {text!r}")
        return cls(int(found[1]), int(found[2]))

    def plus(self, months: int) -> Month:
        """Give the month so many months later, or earlier."""
        year, month = divmod(self.year * 12 + self.month - 1 + months, 12)
        return Month(year, month + 1)

    def starts(self, zone: dt.tzinfo) -> dt.datetime:
        """Give the instant at which it begins in `zone`."""
        return dt.datetime(self.year, self.month, 1, tzinfo=zone).astimezone(dt.UTC)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"


def instant_of(bound: str) -> dt.datetime | None:
    """Read a bound as PostgreSQL writes it in its ISO style; None for what is no date.

    A bound without a time zone is taken for UTC: bounds of one table are alike. What lies outside
    of Python's years is the first or the last instant that Python has.
    """
    if bound in _EXTREMES:
        return _EXTREMES[bound]
    if bound.endswith(" BC'"):
        return _BEGINNING
    if _LONG_YEAR.match(bound):
        return INFINITY
    try:
        read = dt.datetime.fromisoformat(bound.strip("'"))
    except ValueError:
        return None
    return read.replace(tzinfo=dt.UTC) if read.tzinfo is None else read.astimezone(dt.UTC)


def literal_of(instant: dt.datetime, key_type: str) -> str:
    """Write an instant as a bound of a column of `key_type`: a SQL literal."""
    match key_type:
        case "date":
            return f"'{instant:%Y-%m-%d}'"
        case "timestamp without time zone":
            return f"'{instant:%Y-%m-%d %H:%M:%S}'"
        case _:
            return f"'{instant:%Y-%m-%d %H:%M:%S}+00'"
