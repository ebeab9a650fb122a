"""Objectives: what must hold, and the SLAs that they make up."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Final, Literal, NamedTuple, cast

import attrs

from ._checks import Checks, optional_number, plain_number, plain_tags, shown
from .figures import (
    OPS,
    Cut,
    Figure,
    Kind,
    Op,
    Quantile,
    Ratio,
    Selector,
    check_figure,
    cut_at,
    is_low_side,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..metrics import Threshold

__all__ = ["Objective", "QuantileObjective", "RatioObjective", "Sla", "Status"]

Status = Literal["met", "warning", "violated", "unknown"]


_MISLEADING: Final = frozenset({"ms", "us", "µs", "ns", "min", "h", "%", "percent"})


class Cuts(NamedTuple):
    """Where verdicts change.

    `met` ends at the warning level, which itself warns, or at the target; `violated` begins past
    a level of its own, or where the target is missed.
    """

    met: Cut
    target: Cut
    violated: Cut


@lru_cache(maxsize=256)
def _four_fifths(target: float) -> float:
    # Through 15 digits, since 0.8 * 0.1 is 0.08000000000000002 in doubles.
    return float(f"{target * 0.8:.15g}")


@attrs.frozen(kw_only=True, eq=False, repr=False)
class _Levels:
    """What both kinds of objective share: the levels, and the cuts that verdicts are made at."""

    name: str
    target: float = attrs.field(converter=plain_number)
    op: Op
    unit: str
    warning: float | None = attrs.field(default=None, converter=optional_number)
    violated: float | None = attrs.field(default=None, converter=optional_number)
    window: str = "1h"
    min_samples: int | None = None
    cuts: Cuts = attrs.field(init=False, repr=False, eq=False)
    label: str = attrs.field(init=False, repr=False, eq=False)

    @property
    def warning_level(self) -> float | None:
        """The level from which it warns, None when it warns only past the target, if at all."""
        return self.warning

    @property
    def violated_level(self) -> float:
        """The level beyond which it is violated."""
        return self.target if self.violated is None else self.violated

    @property
    def asks_low(self) -> bool:
        """Tell whether small figures are the good ones."""
        return is_low_side(self.op)

    def thresholds(self) -> tuple[Threshold, ...]:
        """Give the levels at which observations must be counted, so that the verdict is exact."""
        return tuple(dict.fromkeys((self.cuts.met, self.cuts.target, self.cuts.violated)))

    def _cuts(self) -> Cuts:
        target = cut_at(self.op, self.target)
        met = violated = target
        if (level := self.warning_level) is not None:
            met = cut_at("<" if self.asks_low else ">", level)
        if self.violated is not None and self.violated != self.target:
            violated = cut_at("<=" if self.asks_low else ">=", self.violated)
        return Cuts(met, target, violated)

    def _finish(self, figure: Figure) -> None:
        """Check all, then keep what each verdict needs and the fields imply."""
        checks = Checks(self.name if isinstance(self.name, str) else "")
        checks.word("name", self.name)
        check_figure(checks, "", figure)
        self._check_levels(checks)
        checks.done()
        object.__setattr__(self, "cuts", self._cuts())
        object.__setattr__(self, "label", str(figure))

    def _check_levels(self, checks: Checks) -> None:
        if checks.word("unit", self.unit) and self.unit in _MISLEADING:
            checks("unit", f"must be a base unit: seconds and ratios 0..1, got {self.unit!r}")
        checks.window("window", self.window)
        if self.min_samples is not None:
            checks.whole("min_samples", self.min_samples, least=1)
        op_is_sound = checks.choice("op", self.op, OPS)
        target_is_sound = self._check_level(checks, "target", self.target)
        for key, level in (("warning", self.warning), ("violated", self.violated)):
            if (
                level is None
                or not self._check_level(checks, key, level)
                or not (op_is_sound and target_is_sound)
            ):
                continue
            at_most = self.asks_low == (key == "warning")
            if level > self.target if at_most else level < self.target:
                side = "<=" if at_most else ">="
                checks(key, f"must be {side} the target {self.target:g}, got {level:g}")

    def _check_level(self, checks: Checks, key: str, level: float) -> bool:
        raise NotImplementedError


@attrs.frozen(kw_only=True)
class QuantileObjective(_Levels):
    """Quantile `quantile` of the timers `metric` with these tags must be `op target` seconds.

    It warns from `warning` on, 0.8 x target unless given where small figures are good, and is
    violated beyond `violated`, unless given wherever it misses the target. It is judged on
    `window` (`5m`, `1h`, `24h`), or on a longer one while that has fewer observations than
    `min_samples`, 2 / (1 - quantile) unless given. Raises ConfigurationError with every mistake
    at once.
    """

    kind: ClassVar[Kind] = "quantile"

    op: Op = "<"
    unit: str = "s"
    metric: str
    quantile: float = attrs.field(converter=plain_number)
    tags: Mapping[str, str] = attrs.field(factory=dict, converter=plain_tags)
    figure: Quantile = attrs.field(init=False, repr=False, eq=False)

    @figure.default
    def _figure(self) -> Quantile:
        return Quantile(metric=self.metric, quantile=self.quantile, tags=self.tags)

    def __attrs_post_init__(self) -> None:
        self._finish(self.figure)

    @property
    def warning_level(self) -> float | None:
        """The level from which it warns, in seconds."""
        if self.warning is None and self.asks_low:
            return _four_fifths(self.target)
        return self.warning

    @property
    def needs(self) -> int:
        """How many observations a verdict wants."""
        return self.figure.needs if self.min_samples is None else self.min_samples

    def _check_level(self, checks: Checks, key: str, level: float) -> bool:
        return checks.number(key, level, above=0)


@attrs.frozen(kw_only=True)
class RatioObjective(_Levels):
    """The share of the events `good` in the events `total` must be `op target`, 0..1.

    It warns from `warning` on, if given, and past the target up to `violated`, if that is given.
    `window` and `min_samples`, here 40 events unless given, are as with quantiles. Raises
    ConfigurationError with every mistake at once.
    """

    kind: ClassVar[Kind] = "ratio"

    name: str = "ratio"
    op: Op = ">"
    unit: str = "ratio"
    good: Selector
    total: Selector
    figure: Ratio = attrs.field(init=False, repr=False, eq=False)

    @figure.default
    def _figure(self) -> Ratio:
        return Ratio(good=self.good, total=self.total)

    def __attrs_post_init__(self) -> None:
        self._finish(self.figure)

    @property
    def needs(self) -> int:
        """How many events a verdict wants."""
        return self.figure.needs if self.min_samples is None else self.min_samples

    def _check_level(self, checks: Checks, key: str, level: float) -> bool:
        return checks.number(key, level, least=0, most=1)


Objective = QuantileObjective | RatioObjective


def _plain_objectives(value: Sequence[Objective]) -> tuple[Objective, ...]:
    return cast("tuple[Objective, ...]", tuple(value) if isinstance(value, list) else value)


@attrs.frozen(kw_only=True)
class Sla:
    """A named set of objectives; raises ConfigurationError with every mistake at once."""

    name: str
    description: str = ""
    objectives: tuple[Objective, ...] = attrs.field(converter=_plain_objectives)

    def __attrs_post_init__(self) -> None:
        checks = Checks(self.name if isinstance(self.name, str) else "")
        checks.word("name", self.name)
        checks.word("description", self.description, empty=True)
        objectives = self.objectives
        if not isinstance(objectives, tuple) or not all(
            isinstance(objective, _Levels) for objective in objectives
        ):
            checks("objectives", f"must be objectives, got {shown(objectives)}")
        elif not objectives:
            checks("objectives", "must be at least one")
        else:
            names = [objective.name for objective in objectives]
            for name in sorted({name for name in names if names.count(name) > 1}):
                checks(name, "stands more than once")
        checks.done()

    def over(self, window: str) -> Sla:
        """Give the same SLA, judged on `window` instead of each objective's own."""
        changed = (attrs.evolve(objective, window=window) for objective in self.objectives)
        return attrs.evolve(self, objectives=tuple(changed))
