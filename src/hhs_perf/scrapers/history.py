"""What a history of snapshots tells: totals, ranks, growth and rates, as values."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import attrs

from .values import ABSENT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from .values import Figure, FigureName

__all__ = [
    "DailyFigures",
    "Growth",
    "History",
    "ListedAccount",
    "PlatformTotal",
    "Rate",
    "Standing",
    "Summary",
]


@attrs.frozen(kw_only=True)
class ListedAccount:
    """An account as the table has it."""

    account_key: int
    platform: str
    handle: str
    account_id: str | None
    display_name: str | None
    url: str | None
    organization: str
    is_core: bool


@attrs.frozen(kw_only=True)
class PlatformTotal:
    """The active accounts of a platform, and how many follow those of which that is known."""

    platform: str
    accounts: int
    counted: int
    """Of so many accounts the followers are known."""
    followers: int | None
    """Their sum; None where it is known of none."""


@attrs.frozen(kw_only=True)
class Summary:
    """All active accounts by platform, as of a day."""

    day: date | None
    """None where there is no snapshot."""
    platforms: tuple[PlatformTotal, ...]

    @property
    def accounts(self) -> int:
        """All accounts."""
        return sum(each.accounts for each in self.platforms)

    @property
    def followers(self) -> int | None:
        """All followers; None where they are known of no account."""
        known = [each.followers for each in self.platforms if each.followers is not None]
        return sum(known) if known else None


@attrs.frozen(kw_only=True)
class Standing:
    """An account in a ranking: its figure, and the day that it is from."""

    account: ListedAccount
    day: date
    figure: Figure


@attrs.frozen(kw_only=True)
class DailyFigures:
    """The figures of an account on one UTC day."""

    day: date
    figures: Mapping[FigureName, Figure]

    def figure(self, name: FigureName) -> Figure:
        """Give one figure; `absent` where there is none."""
        return self.figures.get(name, ABSENT)


@attrs.frozen(kw_only=True)
class Rate:
    """How a figure did from one snapshot that has it to the next."""

    day: date
    days: int
    """Since the snapshot before: 1, or more where days are missing."""
    per_day: float
    """What was gained a day."""
    ratio: float | None
    """What was gained by what was there, 0.01 being one in a hundred; None where that was 0."""


@attrs.frozen(kw_only=True)
class History:
    """The days of an account, the oldest first."""

    account: ListedAccount
    days: tuple[DailyFigures, ...]

    def rates(self, figure: FigureName = "followers_count") -> tuple[Rate, ...]:
        """Work out the rates of a figure on each day that has it and has one with it before."""
        known = [
            (each.day, value)
            for each in self.days
            if (value := each.figure(figure).value) is not None
        ]
        return tuple(
            Rate(
                day=day,
                days=(day - before).days,
                per_day=(value - was) / (day - before).days,
                ratio=(value - was) / was if was else None,
            )
            for (before, was), (day, value) in pairwise(known)
        )


@attrs.frozen(kw_only=True)
class Growth:
    """How a figure of an account changed between its first and its last day within a period."""

    account: ListedAccount
    name: FigureName
    first_day: date
    last_day: date
    first: Figure
    last: Figure

    @property
    def gained(self) -> int:
        """By how much it grew; below 0 where it shrank."""
        return (self.last.value or 0) - (self.first.value or 0)

    @property
    def days(self) -> int:
        """Days between the two."""
        return (self.last_day - self.first_day).days

    @property
    def per_day(self) -> float | None:
        """What was gained a day; None where there is one day alone."""
        return self.gained / self.days if self.days else None

    @property
    def ratio(self) -> float | None:
        """What was gained by what was there; None where that was nothing."""
        return self.gained / self.first.value if self.first.value else None

    @property
    def margin(self) -> int:
        """How far `gained` may be from the truth, as figures may be rounded."""
        return (self.first.granularity or 0) + (self.last.granularity or 0)
