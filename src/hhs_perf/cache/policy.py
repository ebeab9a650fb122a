"""How values are kept and refreshed, and what a loader may say about what it loaded."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar

import attrs

from .checked import checked_tags

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "LONGEST_TTL",
    "NOT_MODIFIED",
    "Loaded",
    "NotModified",
    "Policy",
    "Previous",
    "check_ttl",
    "checked_policy",
    "is_number",
    "kept_for",
    "previous",
]

T = TypeVar("T")

LONGEST_TTL: Final = 30 * 86400.0
"""The longest life of an entry, stale time included, in seconds: invalidations outlive it."""


def is_number(value: object) -> bool:
    """Tell a number; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_ttl(ttl: float, what: str = "ttl") -> float:
    """Give `ttl` as it is; raises ValueError for one that no entry can have."""
    if not is_number(ttl) or not 0 < ttl <= LONGEST_TTL:
        raise ValueError(f"{what}: must be more than 0 and at most 30 days in seconds, got {ttl!r}")
    return ttl


def _ttl(_: object, field: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None:
        check_ttl(value, field.name)


def _own_ttl(_: object, field: attrs.Attribute[Any], value: float) -> None:
    check_ttl(value, field.name)


def _checked_span(value: float, what: str) -> float:
    if not is_number(value) or not 0 <= value <= LONGEST_TTL:
        raise ValueError(f"{what}: must be between 0 and 30 days in seconds, got {value!r}")
    return value


def _share(_: object, field: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None and not (is_number(value) and 0 <= value < 1):
        raise ValueError(f"{field.name}: must be a share from 0 to below 1, got {value!r}")


def _timeout(_: object, field: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None:
        check_ttl(value, field.name)


def _classes(value: Any) -> tuple[Any, ...]:
    try:
        return (value,) if isinstance(value, type) else tuple(value)
    except TypeError:
        return (value,)


def _errors(_: object, field: attrs.Attribute[Any], value: tuple[type, ...]) -> None:
    if not all(isinstance(each, type) and issubclass(each, Exception) for each in value):
        raise ValueError(f"{field.name}: must be classes of exceptions, got {value!r}")


def _note(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str | None):
        raise TypeError(f"{field.name}: must be a string, got {value!r}")


def _copy(_: object, field: attrs.Attribute[Any], value: str) -> None:
    if value not in ("never", "on_read"):
        raise ValueError(f"{field.name}: must be never or on_read, got {value!r}")


@attrs.frozen(kw_only=True)
class Policy:
    """How an entry is kept and refreshed; all times in seconds.

    Past `ttl` a value may be used for a while: for `stale_for` it is answered at once while one
    caller has it loaded anew in the background; for `fail_safe_for` it is answered when the
    loader fails, or takes longer than `soft_timeout`. Past `eager_at`, a share of its life, a
    value is still fresh and is loaded anew in the background by the next caller. `hard_timeout`
    bounds what any caller waits for a load; the load goes on, and its value is kept. `jitter` is
    the share of the ttl that may be taken off at random, so that what was stored together does
    not expire together. Exceptions of the classes `negative`, or of that one class, are kept for
    `negative_ttl` and raised again. With `copy="on_read"` every caller gets a deep copy.

    Raises ValueError for values out of range.
    """

    ttl: float | None = attrs.field(default=None, validator=_ttl)
    jitter: float = attrs.field(default=0.0, validator=_share)
    stale_for: float = 0.0
    fail_safe_for: float = 0.0
    eager_at: float | None = attrs.field(default=None, validator=_share)
    soft_timeout: float | None = attrs.field(default=None, validator=_timeout)
    hard_timeout: float | None = attrs.field(default=None, validator=_timeout)
    negative: tuple[type[Exception], ...] = attrs.field(
        default=(), converter=_classes, validator=_errors
    )
    negative_ttl: float = attrs.field(default=5.0, validator=_own_ttl)
    copy: Literal["never", "on_read"] = attrs.field(default="never", validator=_copy)
    # What is asked on every miss, worked out once.
    keeps_for: float = attrs.field(init=False, repr=False, eq=False)
    is_plain: bool = attrs.field(init=False, repr=False, eq=False)
    in_background: bool = attrs.field(init=False, repr=False, eq=False)

    @keeps_for.default
    def _longest_stale(self) -> float:
        # Here, since validators run after defaults.
        return max(
            _checked_span(self.stale_for, "stale_for"),
            _checked_span(self.fail_safe_for, "fail_safe_for"),
        )

    @is_plain.default
    def _has_no_window(self) -> bool:
        return not self.keeps_for and self.eager_at is None and self.copy == "never"

    @in_background.default
    def _has_timeout(self) -> bool:
        return self.soft_timeout is not None or self.hard_timeout is not None


def checked_policy(policy: Policy | None) -> Policy | None:
    """Give a policy as it is; raises TypeError for what is none."""
    if policy is not None and not isinstance(policy, Policy):
        raise TypeError(f"policy must be a Policy or None, got {policy!r}")
    return policy


def kept_for(life: float, policy: Policy) -> float:
    """Give the seconds that a value of such a life is kept, stale time included."""
    return min(life + policy.keeps_for, LONGEST_TTL)


@attrs.frozen
class Loaded(Generic[T]):
    """What a loader returns to say more than the value.

    `ttl` in seconds and `tags` stand in place of those of the call; `note` is kept beside the
    value and handed back in `previous()`: an ETag or a revision. With `keep=False` the value goes
    to those who wait for it in this process, and is not kept.

    Raises TypeError for tags that are no strings and a note that is none, ValueError for a ttl
    out of range.
    """

    value: T
    ttl: float | None = attrs.field(default=None, kw_only=True, validator=_ttl)
    tags: Iterable[str] | None = attrs.field(
        default=None, kw_only=True, converter=attrs.converters.optional(checked_tags)
    )
    note: str | None = attrs.field(default=None, kw_only=True, validator=_note)
    keep: bool = attrs.field(default=True, kw_only=True)


class NotModified:
    """What a loader returns to say that the previous value still holds."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Name the constant."""
        return "NOT_MODIFIED"

    def __reduce__(self) -> str:
        """Be the one constant after copying and pickling, too."""
        return "NOT_MODIFIED"


NOT_MODIFIED: Final = NotModified()


@attrs.frozen(kw_only=True)
class Previous:
    """The value that a load is about to replace, and the note that came with it."""

    value: object
    note: str | None


replaced: Final[ContextVar[Previous | None]] = ContextVar("hhs_perf_replaced", default=None)


def previous() -> Previous | None:
    """Give, inside a loader, the value that it is asked to replace; None when there is none.

    A value is there while it is refreshed before it expires, or is kept past its ttl by
    `stale_for` or `fail_safe_for`.
    """
    return replaced.get()
