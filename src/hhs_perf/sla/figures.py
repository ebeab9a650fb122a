"""Indicators: the measured figures that objectives and alert rules are about."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import attrs

from ._checks import joined, plain_tags, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._checks import Checks

__all__ = [
    "OPS",
    "Cut",
    "Figure",
    "Kind",
    "Op",
    "Quantile",
    "Ratio",
    "Selector",
    "check_figure",
    "cut_at",
    "is_low_side",
    "tags_text",
]

Op = Literal["<", "<=", ">", ">="]
Kind = Literal["quantile", "ratio"]
OPS: Final[tuple[Op, ...]] = ("<", "<=", ">", ">=")

Cut = tuple[Literal["<", "<="], float]
"""A level that parts figures in two: those below it, and those above; see `cut_at`."""

_RATIO_NEEDS: Final = 40


def is_low_side(op: Op) -> bool:
    """Tell whether `op` asks for small figures."""
    return op in ("<", "<=")


def cut_at(op: Op, level: float) -> Cut:
    """Give where `figure op level` changes from true to false.

    A figure below the cut satisfies `<` and `<=`, one above it satisfies `>` and `>=`.
    """
    return ("<" if op in ("<", ">=") else "<=", level)


@lru_cache(maxsize=256)
def _quantile_needs(q: float) -> int:
    from fractions import Fraction  # noqa: PLC0415 - slow, and start-up does without

    # By fractions: 2 / (1 - 0.95) is 39.99999999999997 in doubles.
    needed = 2 / (1 - Fraction(str(q)))
    return -(-needed.numerator // needed.denominator)


def _printable(text: str) -> str:
    return text if text.isprintable() else ascii(text)[1:-1]


def tags_text(tags: Mapping[str, str]) -> str:
    """Write tags as `{layer=all,result=hit}`, sorted, on one line; nothing when there are none."""
    if not tags:
        return ""
    return f"{{{','.join(f'{_printable(k)}={_printable(v)}' for k, v in sorted(tags.items()))}}}"


@attrs.frozen(kw_only=True)
class Selector:
    """The series of counter `name` that have these tags."""

    name: str
    tags: Mapping[str, str] = attrs.field(factory=dict, converter=plain_tags)

    def __str__(self) -> str:
        return f"{self.name}{tags_text(self.tags)}"


@attrs.frozen(kw_only=True)
class Quantile:
    """Quantile `quantile` (0..1) of the timers `metric` that have these tags, in seconds."""

    kind: ClassVar[Kind] = "quantile"
    unit: ClassVar[str] = "s"

    metric: str
    quantile: float
    tags: Mapping[str, str] = attrs.field(factory=dict, converter=plain_tags)

    @property
    def needs(self) -> int:
        """How many observations a verdict wants: 2 / (1 - quantile); 40 for p95, 200 for p99."""
        return _quantile_needs(self.quantile)

    def __str__(self) -> str:
        percent = float(f"{self.quantile * 100:.12g}")  # 0.29 * 100 is 28.999999999999996
        return f"p{percent:g} of {self.metric}{tags_text(self.tags)}"


@attrs.frozen(kw_only=True)
class Ratio:
    """The share, 0..1, that the events `good` have in the events `total`.

    For an error rate `good` selects the errors: it names the counted part, whatever its worth.
    """

    kind: ClassVar[Kind] = "ratio"
    unit: ClassVar[str] = "ratio"

    good: Selector
    total: Selector

    @property
    def metric(self) -> str:
        """The counter of all events."""
        return self.total.name

    @property
    def tags(self) -> Mapping[str, str]:
        """What the counter of all events is narrowed to."""
        return self.total.tags

    @property
    def needs(self) -> int:
        """How many events a verdict wants: 40."""
        return _RATIO_NEEDS

    def __str__(self) -> str:
        return f"{self.good} / {self.total}"


Figure = Quantile | Ratio


def check_figure(checks: Checks, key: str, figure: object) -> None:
    """Put the mistakes in `figure` into `checks`."""
    if isinstance(figure, Quantile):
        checks.word(joined(key, "metric"), figure.metric)
        checks.tags(joined(key, "tags"), figure.tags)
        at = joined(key, "quantile")
        if checks.number(at, figure.quantile) and not 0 < figure.quantile < 1:
            checks(at, f"must be between 0 and 1, both excluded, got {figure.quantile:g}")
    elif isinstance(figure, Ratio):
        selectors: dict[str, object] = {"good": figure.good, "total": figure.total}
        for name, selector in selectors.items():
            at = joined(key, name)
            if isinstance(selector, Selector):
                checks.word(joined(at, "name"), selector.name)
                checks.tags(joined(at, "tags"), selector.tags)
            else:
                checks(at, f"must be a selector, got {shown(selector)}")
    else:
        checks(key or "figure", f"must be a Quantile or a Ratio, got {shown(figure)}")
