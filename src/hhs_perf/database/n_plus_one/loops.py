"""Loops of the application's own: the same SELECT from the same place again and again."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final

from ..lines import application_stack
from .findings import Finding, loop_advice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..lines import Stack
    from ..seen.shapes import Shape

__all__ = ["MIN_TURNS", "Loop"]

MIN_TURNS: Final = 5
"""Equal SELECTs from one place from which on they are a loop."""

# Of so many turns each is looked at, and up to the exact ones when there are several places; one at
# one place is looked at again when there are half as many more, past the exact ones twice as many.
_FIRST_TURNS: Final = 8
_EXACT_TURNS: Final = 64
_MOST_WAITING: Final = 1024


class _Place:
    """What was seen of one place: turns looked at, and those that they stand for."""

    __slots__ = ("stands_for", "turns")

    def __init__(self) -> None:
        self.turns = 0
        self.stands_for = 0


class Loop:
    """Executions of one SELECT in one scope, by the place that sends them.

    A place is a line with those that called it: a helper called from several lines is no loop.
    Neither is what reads a batch at a time on purpose, as it has an IN list, an OFFSET or the key
    of the last row that moves from turn to turn; nor what asks the same again, as polling does.

    The seconds of each turn are added to `waiting`, and `turn` is called when there are `look_in`
    of them. All else is guarded by the watch's lock.
    """

    __slots__ = (
        "_batch", "_batched_by", "_count", "_look_at", "_looked_at", "_places", "_seconds",
        "_shape", "_told", "_values", "_varies", "look_in", "waiting",
    )  # fmt: skip

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._places: dict[Stack, _Place] = {}
        self._told = False
        self._batch: object = None
        self._values: object = None
        self._varies = False
        self._seconds = 0.0
        self._count = 0
        self._looked_at = 0
        # The first is at no loop yet.
        self._look_at: float = 2
        self._batched_by = shape.batched_by
        self.waiting: list[float] = []
        self.look_in: float
        self._plan_look()

    def turn(self, context: Any) -> Stack | None:
        """Look at the turn that was taken last; give the place of the finding that it completes."""
        is_first = not self._count
        self.fold()
        n = self._count
        if self._reads_batches(context, is_first=is_first) or n < self._look_at:
            return None
        self._compare(context)
        stack = application_stack()
        place = self._places.get(stack)
        if place is None:
            place = self._places[stack] = _Place()
        place.turns += 1
        place.stands_for += n - self._looked_at
        self._looked_at = n
        self._plan(n)
        if self._told or not stack or place.turns < MIN_TURNS - 1 or not self._varies:
            return None
        self._told = True
        return stack

    def fold(self) -> None:
        """Add up what waits."""
        waiting = self.waiting
        n = len(waiting)
        self._seconds += sum(waiting[:n])
        del waiting[:n]
        self._count += n
        self._plan_look()

    def _plan_look(self) -> None:
        # Each set of parameters is looked at while it may be a batch.
        left = 0 if self._batched_by else self._look_at - self._count
        self.look_in = min(left, _MOST_WAITING)

    def _plan(self, n: int) -> None:
        if n >= _EXACT_TURNS:
            self._look_at = 1 << n.bit_length()
        elif n < _FIRST_TURNS or len(self._places) > 1:
            self._look_at = n + 1
        else:
            self._look_at = n + n // 2
        self._plan_look()

    def findings(self) -> Iterator[Finding]:
        """Give what was found so far; `fold` before."""
        if self._varies:
            for stack, place in self._places.items():
                if stack and place.turns >= MIN_TURNS - 1:
                    yield self.finding(stack)

    def _compare(self, context: Any) -> None:
        """See whether other values are asked for than in the first turn looked at."""
        if self._varies:
            return
        asked: Any = context.compiled_parameters if context.compiled else context.parameters
        values = (context.statement, asked[0])
        if self._values is None:
            self._values = values
            return
        try:
            self._varies = bool(values != self._values)
        except Exception:  # noqa: BLE001 - values are the host's, and may do as they like
            self._varies = True

    def _reads_batches(self, context: Any, *, is_first: bool) -> bool:
        names = self._batched_by
        if not names:
            return False
        # An expanding parameter `ids` has become `ids_1`, `ids_2`, …
        values = context.compiled_parameters[0]
        batch = []
        for name in names:
            if name in values:
                batch.append(values[name])
            else:
                several = [value for key, value in values.items() if key.startswith(f"{name}_")]
                batch += several if len(several) > 1 else []
        if is_first:
            self._batch = batch
        if batch == self._batch:
            return False
        self._batched_by = ()
        self._look_at = inf
        self._plan_look()
        self._places.clear()
        return True

    def finding(self, stack: Stack) -> Finding:
        """Give what was found at a place."""
        # A turn whose place was not looked up is taken to be where the next was that was.
        part = self._places[stack].stands_for / self._looked_at
        advice, about = loop_advice(self._shape.tables, self._shape.operation)
        return Finding(
            kind="loop",
            statement=self._shape.key,
            sql=self._shape.sql,
            count=round(self._count * part),
            seconds=self._seconds * part,
            line=stack.line,
            advice=advice,
            about=about,
        )
