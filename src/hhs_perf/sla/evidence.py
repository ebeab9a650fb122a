"""What a snapshot says about a figure, and on which side of a level that is, exactly."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from ..metrics import nearest_rank
from .chance import is_beyond_chance
from .figures import Quantile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..metrics import Distribution, Holding, Snapshot
    from .figures import Cut, Figure

__all__ = ["Evidence", "Figures", "remember"]

V = TypeVar("V")


class Evidence(Protocol):
    """What one window knows about one figure."""

    @property
    def count(self) -> int:
        """How many observations or events the window has."""
        ...

    @property
    def value(self) -> float | None:
        """The figure as it is shown: seconds, or a ratio 0..1; None where it is not known."""
        ...

    def counted(self, cut: Cut) -> int:
        """Give how many observations are known to be on one side of `cut` or the other."""
        ...

    def is_below(self, cut: Cut) -> bool | None:
        """Tell on which side of `cut` the figure is; None where nothing was counted."""
        ...

    def share(self, cut: Cut, *, below: bool) -> float | None:
        """Give the share of the observations on one side of `cut`; None where none was counted.

        The events of a ratio have no side: those that are `good` count as above, whatever `cut`.
        """
        ...

    def is_clear(self, cut: Cut) -> bool:
        """Tell whether the figure's side of `cut` is beyond chance, however few were seen."""
        ...


class QuantileEvidence:
    """Evidence about a quantile, added up over series from their exact counts."""

    def __init__(
        self,
        parts: Sequence[Distribution],
        quantile: float,
        merged: Callable[[], Distribution],
    ) -> None:
        self._parts = parts
        self._quantile = quantile
        self._merged = merged
        self._held: dict[Cut, tuple[int, int]] = {}
        self.count = sum(part.count for part in parts)

    @property
    def value(self) -> float | None:
        """The quantile in seconds: exact from kept values and the tail, else the digest's."""
        return self._merged().quantile(self._quantile) if self.count else None

    def _holding(self, cut: Cut) -> tuple[int, int]:
        if (held := self._held.get(cut)) is not None:
            return held
        holding = of = 0
        for part in self._parts:
            known: Holding | None = part.holding(cut)
            if known is not None:
                holding += known.holding
                of += known.of
        self._held[cut] = (holding, of)
        return holding, of

    def counted(self, cut: Cut) -> int:
        """Give how many observations were compared with the cut's level."""
        return self._holding(cut)[1]

    def is_below(self, cut: Cut) -> bool | None:
        """Compare by counting: a quantile is below iff its rank is among those below."""
        holding, of = self._holding(cut)
        return holding >= nearest_rank(self._quantile, of) if of else None

    def share(self, cut: Cut, *, below: bool) -> float | None:
        """Give the share of the observations on one side of `cut`."""
        holding, of = self._holding(cut)
        return (holding if below else of - holding) / of if of else None

    def is_clear(self, cut: Cut) -> bool:
        """Tell whether so many on this side of the level are beyond chance."""
        from fractions import Fraction  # noqa: PLC0415 - slow, and start-up does without

        holding, of = self._holding(cut)
        q = Fraction(str(self._quantile))
        if self.is_below(cut):
            return is_beyond_chance(holding, of, float(q))
        return is_beyond_chance(of - holding, of, float(1 - q))


class RatioEvidence:
    """Evidence about a ratio of events."""

    def __init__(self, good: float, total: float) -> None:
        # Parts can be counted a moment before their whole.
        self._good = min(good, total)
        self._total = total
        self.count = round(total)

    @property
    def value(self) -> float | None:
        """The ratio, None while nothing happened."""
        return self._good / self._total if self._total else None

    def counted(self, cut: Cut) -> int:  # noqa: ARG002 - the protocol's
        """Give the number of events: all are known."""
        return self.count

    def is_below(self, cut: Cut) -> bool | None:
        """Compare the ratio with the cut's level.

        The quotient of two counts under 2^50 is the double of a level of few decimals only where
        it equals that level.
        """
        if (ratio := self.value) is None:
            return None
        comparison, level = cut
        return ratio < level if comparison == "<" else ratio <= level

    def share(self, cut: Cut, *, below: bool) -> float | None:  # noqa: ARG002 - the protocol's
        """Give the share of the good events, or with `below` that of the others."""
        wanted = self._total - self._good if below else self._good
        return wanted / self._total if self._total else None

    def is_clear(self, cut: Cut) -> bool:
        """Tell whether so many events, or so few, are beyond chance at the cut's level."""
        from fractions import Fraction  # noqa: PLC0415 - slow, and start-up does without

        level = cut[1]
        good = min(round(self._good), self.count)
        if self.is_below(cut):
            return is_beyond_chance(self.count - good, self.count, float(1 - Fraction(str(level))))
        return is_beyond_chance(good, self.count, level)


class _Index(Generic[V]):
    """The series of one instrument in one snapshot, found by their tags."""

    def __init__(self, rows: Sequence[tuple[Mapping[str, str], V]]) -> None:
        self._rows = rows
        self._values = [value for _, value in rows]
        self._by_tag: dict[str, dict[str, list[int]]] | None = None

    def _tagged(self) -> dict[str, dict[str, list[int]]]:
        if self._by_tag is None:
            self._by_tag = {}
            for index, (tags, _) in enumerate(self._rows):
                for name, value in tags.items():
                    self._by_tag.setdefault(name, {}).setdefault(value, []).append(index)
        return self._by_tag

    def having(self, tags: Mapping[str, str]) -> list[V]:
        """Give what the series with these tags hold."""
        if not tags:
            return self._values
        tagged = self._tagged()
        found = [tagged.get(name, {}).get(value, []) for name, value in tags.items()]
        fewest = min(found, key=len)
        if len(found) == 1:
            return [self._values[index] for index in fewest]
        wanted = tags.items()
        return [self._values[index] for index in fewest if wanted <= self._rows[index][0].items()]

    def values_of(self, tag: str) -> list[str]:
        """Give the values that `tag` takes, sorted."""
        return sorted(self._tagged().get(tag, ()))


class Figures:
    """One pass's view: each window is read once, each instrument looked through once.

    Called with a window's name it gives the snapshot. Make a new one for each pass: it never
    forgets. For one thread.
    """

    def __init__(self, read: Callable[[str], Snapshot]) -> None:
        self._read = read
        self._snapshots: dict[str, Snapshot] = {}
        self._timers: dict[tuple[str, str], _Index[Distribution]] = {}
        self._counters: dict[tuple[str, str], _Index[float]] = {}

    def __call__(self, window: str) -> Snapshot:
        """Read all series over `window`, the first time; raises UnknownWindowError."""
        if window not in self._snapshots:
            self._snapshots[window] = self._read(window)
        return self._snapshots[window]

    def evidence(
        self, figure: Figure, window: str, narrowed: Mapping[str, str] | None = None
    ) -> Evidence:
        """Give what `window` knows about `figure`, `narrowed` to more tags."""
        narrowed = narrowed or {}
        if isinstance(figure, Quantile):
            return self._quantile(figure, window, {**figure.tags, **narrowed})
        return RatioEvidence(
            self._total(window, figure.good.name, {**figure.good.tags, **narrowed}),
            self._total(window, figure.total.name, {**figure.total.tags, **narrowed}),
        )

    def tag_values(self, figure: Figure, window: str, tag: str) -> list[str]:
        """Give the values that `tag` takes in what the figure is made of, sorted."""
        if isinstance(figure, Quantile):
            return self._timer(window, figure.metric).values_of(tag)
        return self._counter(window, figure.metric).values_of(tag)

    def _timer(self, window: str, name: str) -> _Index[Distribution]:
        at = (window, name)
        if at not in self._timers:
            self._timers[at] = _Index(self(window).timers(name))
        return self._timers[at]

    def _counter(self, window: str, name: str) -> _Index[float]:
        at = (window, name)
        if at not in self._counters:
            self._counters[at] = _Index(self(window).counters(name))
        return self._counters[at]

    def _total(self, window: str, name: str, tags: Mapping[str, str]) -> float:
        return sum(self._counter(window, name).having(tags))

    def _quantile(self, figure: Quantile, window: str, tags: Mapping[str, str]) -> Evidence:
        snapshot = self(window)
        # Digests are merged only for what is shown, and once for p95 and p99 alike.
        merged = partial(snapshot.timer, figure.metric, **tags)
        if tags == figure.tags:
            parts = list(snapshot.parts(figure.metric, tags))
        else:
            parts = self._timer(window, figure.metric).having(tags)
        return QuantileEvidence(parts, figure.quantile, merged)


def remember(read: Callable[[str], Snapshot]) -> Figures:
    """Give a `read` that reads each window once, for one pass over SLAs or alert rules."""
    return read if isinstance(read, Figures) else Figures(read)
