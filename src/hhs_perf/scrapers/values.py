"""What a scrape gives: figures that say how far to trust them, snapshots, failures, outcomes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal, get_args

import attrs

from ..exceptions import SCRAPE_ERRORS, ScrapeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .accounts import Account

__all__ = [
    "FAILURE_KINDS",
    "FIGURE_NAMES",
    "Failure",
    "FailureKind",
    "Figure",
    "FigureName",
    "FigureStatus",
    "Outcome",
    "OutcomeStatus",
    "SkipReason",
    "Snapshot",
]

FigureName = Literal[
    "followers_count",
    "following_count",
    "posts_count",
    "likes_count",
    "comments_count",
    "shares_count",
    "video_views",
    "views_count",
]
FIGURE_NAMES: Final[tuple[FigureName, ...]] = get_args(FigureName)
"""Every figure that a snapshot can have, in the order of the table's columns."""

FigureStatus = Literal["ok", "hidden", "rounded", "absent"]
FailureKind = Literal[
    "rate_limited",
    "quota_exhausted",
    "auth",
    "forbidden",
    "not_found",
    "suspended",
    "challenge",
    "schema_changed",
    "network",
    "server",
]
FAILURE_KINDS: Final[tuple[FailureKind, ...]] = get_args(FailureKind)
SkipReason = Literal[
    "unresolvable",  # no platform knows what to make of the address
    "no_credentials",
    "not_selected",  # by the platform or the core accounts asked for, or not active
    "duplicate",
    "already_done",  # this day's snapshot was there, and the run resumes an earlier one
    "budget",
]
OutcomeStatus = Literal["success", "failure", "skipped"]

_LARGEST: Final = 2**63 - 1


@attrs.frozen
class Figure:
    """One number of an account, and how far it can be trusted.

    `ok`: exact, as the platform gives it. `rounded`: a multiple of `granularity`, from which the
    truth is at most that far away. `hidden`: the owner keeps it back. `absent`: the platform does
    not give it. The last two have no value; a missing number is never 0.
    """

    value: int | None
    status: FigureStatus
    granularity: int | None = None

    def __attrs_post_init__(self) -> None:
        if (self.value is None) is not (self.status in ("hidden", "absent")):
            raise ValueError(f"a figure that is {self.status} cannot be {self.value!r}")
        is_count = type(self.value) is int and 0 <= self.value <= _LARGEST
        if self.value is not None and not is_count:
            raise ValueError(f"a figure is a count of 0 to 2**63 - 1, not {self.value!r}")
        if (self.status == "rounded") is (self.granularity is None):
            raise ValueError("a rounded figure has a granularity, and no other has one")

    @classmethod
    def ok(cls, value: int) -> Figure:
        """Make an exact figure. Raises ValueError for what is no count."""
        return cls(value, "ok")

    @classmethod
    def rounded(cls, value: int, granularity: int) -> Figure:
        """Make one that is a multiple of `granularity`; of 1 it is exact."""
        return cls(value, "rounded", granularity) if granularity > 1 else cls(value, "ok")

    @classmethod
    def to_digits(cls, value: int, digits: int) -> Figure:
        """Make one of which the platform gives the first `digits` digits, the rest being zeros."""
        spare = max(0, (int(math.log10(value)) + 1 if value > 0 else 1) - digits)
        return cls.rounded(value, 10**spare)


HIDDEN: Final = Figure(None, "hidden")
ABSENT: Final = Figure(None, "absent")


@attrs.frozen(kw_only=True)
class Snapshot:
    """The figures of an account at one moment.

    `figures` holds what the platform gave or hides; what it does not name is `absent`.
    """

    account: Account
    platform: str
    """The platform's name, as plugins register it: `x`, `youtube`."""
    handle: str
    """The account's name on its platform, as its addresses are normalised."""
    account_id: str | None
    """What the platform calls the account for ever; None where it has no such thing."""
    display_name: str | None
    """As its owner writes it: text from elsewhere, of any signs."""
    taken_at: float
    """Seconds since 1970-01-01 UTC."""
    figures: Mapping[FigureName, Figure]

    def figure(self, name: FigureName) -> Figure:
        """Give one figure; `absent` where the platform gives none."""
        return self.figures.get(name, ABSENT)


@attrs.frozen(kw_only=True)
class Failure:
    """Why an account has no snapshot.

    `wait` is for how many seconds from now the platform asks to be left alone, where it says so.
    """

    kind: FailureKind
    detail: str
    wait: float | None = None

    def __attrs_post_init__(self) -> None:
        if self.kind not in FAILURE_KINDS:
            raise ValueError(f"no kind of failure: {self.kind!r}")

    def error(self, platform: str, handle: str) -> ScrapeError:
        """Make the error that says the same."""
        return SCRAPE_ERRORS[self.kind](platform, handle, self.detail, wait=self.wait)


@attrs.frozen(kw_only=True)
class Outcome:
    """What became of one account in a run: a snapshot, a failure, or not asked for at all."""

    account: Account
    platform: str | None
    """None where no platform knows the account's address."""
    handle: str | None
    status: OutcomeStatus
    snapshot: Snapshot | None = None
    failure: Failure | None = None
    skipped: SkipReason | None = None
    account_id: str | None = None
    """What the platform calls the account for ever, where that is known, failed or not."""
    detail: str = ""
    """Why it was skipped, in words."""
    seconds: float = 0.0
    """Request and parse of all attempts; those of a batch count for each of its accounts."""
    waited: float = 0.0
    """Seconds that its requests waited for the limiter, for retries and for pauses."""
    attempts: int = 0
    at: float = 0.0
    """When it was known; seconds since 1970-01-01 UTC."""

    def result(self) -> Snapshot:
        """Give the snapshot, or raise the ScrapeError of the failure.

        Raises LookupError for an account that was skipped.
        """
        if self.snapshot is not None:
            return self.snapshot
        if self.failure is not None:
            raise self.failure.error(self.platform or "", self.handle or "")
        raise LookupError(f"{self.account.name} was skipped: {self.detail or self.skipped}")
