"""Loops of the application's own: the same SELECT from the same place again and again."""

from __future__ import annotations

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

_EXACT_TURNS: Final = 64


class Loop:
    """Executions of one SELECT in one scope, by the place that sends them.

    A place is a line with those that called it: a helper called from several lines is no loop.
    What reads a batch at a time on purpose is none either: the values of an IN list, or an OFFSET,
    move from turn to turn.
    """

    __slots__ = ("_batch", "_is_batched", "_seconds", "_shape", "_told", "_turns", "count")

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._seconds = 0.0
        self._turns: dict[Stack, int] = {}
        self._told = False
        self._batch: object = None
        self._is_batched = False
        self.count = 0

    def turn(self, context: Any, seconds: float) -> Finding | None:
        """Take an execution; give the finding that it completes."""
        self._seconds += seconds
        n = self.count = self.count + 1
        if self._is_batched or self._reads_batches(context, n):
            return None
        # The first is at no loop yet; of many that are, some are enough.
        if n == 1 or (n > _EXACT_TURNS and n & (n - 1)):
            return None
        stack = application_stack()
        if not stack:
            return None
        turns = self._turns[stack] = self._turns.get(stack, 0) + 1
        if self._told or turns < MIN_TURNS - 1:
            return None
        self._told = True
        return self._finding(stack)

    def findings(self) -> Iterator[Finding]:
        """Give what was found so far."""
        if not self._is_batched:
            for stack, turns in self._turns.items():
                if turns >= MIN_TURNS - 1:
                    yield self._finding(stack)

    def _reads_batches(self, context: Any, n: int) -> bool:
        names = self._shape.batched_by
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
        if n == 1:
            self._batch = batch
        self._is_batched = batch != self._batch
        return self._is_batched

    def _finding(self, stack: Stack) -> Finding:
        # The first turn has no place; past the exact ones, the places seen stand for the others.
        part = self._turns[stack] / sum(self._turns.values())
        advice, about = loop_advice(self._shape.tables, self._shape.operation)
        return Finding(
            kind="loop",
            statement=self._shape.key,
            sql=self._shape.sql,
            count=round(self.count * part),
            seconds=self._seconds * part,
            line=stack.line,
            advice=advice,
            about=about,
        )
