"""Alert rules: which figure is watched, and when that is worth waking somebody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import attrs

from ._checks import Checks, optional_number, plain_number
from .figures import OPS, Quantile, check_figure, cut_at, is_low_side

if TYPE_CHECKING:
    from ..metrics import Threshold
    from .figures import Cut, Figure, Op

__all__ = [
    "SEVERITIES",
    "AlertRule",
    "Severity",
]

Severity = Literal["warning", "critical"]
SEVERITIES: Final[tuple[Severity, ...]] = ("warning", "critical")


@attrs.frozen(kw_only=True)
class AlertRule:
    """Alert while `figure op threshold` holds over `window`.

    It fires once that has held for `pending_for` seconds. It resolves once the figure has passed
    `resolve_at`, unless given the threshold, to the good side, and the condition has not held
    for `keep_firing_for` seconds. Too few observations for a verdict, `min_samples` or as
    objectives have it, do not hold the condition unless they are beyond chance. With `per` each
    value of that tag is watched apart. While a `critical` rule fires, a `warning` rule on the
    same figure keeps quiet. Raises ConfigurationError with every mistake at once.
    """

    name: str
    severity: Severity = "warning"
    figure: Figure
    op: Op = ">"
    threshold: float = attrs.field(converter=plain_number)
    resolve_at: float | None = attrs.field(default=None, converter=optional_number)
    pending_for: float = attrs.field(default=0.0, converter=plain_number)
    keep_firing_for: float = attrs.field(default=300.0, converter=plain_number)
    window: str = "5m"
    min_samples: int | None = None
    per: str | None = None
    summary: str = ""

    def __attrs_post_init__(self) -> None:
        checks = Checks(self.name if isinstance(self.name, str) else "")
        checks.word("name", self.name)
        checks.choice("severity", self.severity, SEVERITIES)
        check_figure(checks, "", self.figure)
        self._check_levels(checks)
        checks.number("pending_for", self.pending_for, least=0)
        checks.number("keep_firing_for", self.keep_firing_for, least=0)
        checks.window("window", self.window)
        if self.min_samples is not None:
            checks.whole("min_samples", self.min_samples, least=1)
        if self.per is not None:
            checks.word("per", self.per)
        checks.word("summary", self.summary, empty=True)
        checks.done()

    def _check_levels(self, checks: Checks) -> None:
        op_is_sound = checks.choice("op", self.op, OPS)
        sound = self._check_level(checks, "threshold", self.threshold)
        if self.resolve_at is None:
            return
        if self._check_level(checks, "resolve_at", self.resolve_at) and sound and op_is_sound:
            low = is_low_side(self.op)
            level, threshold = self.resolve_at, self.threshold
            if level < threshold if low else level > threshold:
                side = ">=" if low else "<="
                checks("resolve_at", f"must be {side} the threshold {threshold:g}, got {level:g}")

    def _check_level(self, checks: Checks, key: str, level: float) -> bool:
        if isinstance(self.figure, Quantile):
            return checks.number(key, level, above=0)
        return checks.number(key, level, least=0, most=1)

    @property
    def needs(self) -> int:
        """How many observations hold the condition, where fewer are not beyond chance."""
        return self.figure.needs if self.min_samples is None else self.min_samples

    @property
    def alerts_low(self) -> bool:
        """Tell whether small figures are the bad ones."""
        return is_low_side(self.op)

    @property
    def cut(self) -> Cut:
        """Where the condition begins to hold."""
        return cut_at(self.op, self.threshold)

    @property
    def resolve_cut(self) -> Cut:
        """Where the figure is good again: past the resolve level, which itself is not."""
        if self.resolve_at is None or self.resolve_at == self.threshold:
            return self.cut
        return cut_at(">" if self.alerts_low else "<", self.resolve_at)

    def thresholds(self) -> tuple[Threshold, ...]:
        """Give the levels at which observations must be counted, so that the rule is exact."""
        return tuple(dict.fromkeys((self.cut, self.resolve_cut)))
