"""Runs operations of caches step by step, in every order that threads could bring about.

The slow paths of the cache are generators of requests. Here each request is two steps, the doing
and the going on with the answer, and a scheduler decides whose step comes next. So a race is no
matter of luck: it is one schedule among all.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from hhs_perf.cache import TieredCache

__all__ = ["Operation", "Schedule", "all_orders", "random_orders"]

_NOTHING = object()


class Operation:
    """One call of a cache, which goes on when it is told to."""

    def __init__(self, name: str, cache: TieredCache, begin: Callable[[], Any]) -> None:
        self.name = name
        self.result: Any = None
        self.error: BaseException | None = None
        self.is_done = False
        self.has_begun = False
        # Whether it began after a change of the same cache had ended.
        self.is_late = False
        self.spawned: list[Operation] = []
        self.cache = cache
        self._link = cache.core.link
        self._begin = begin
        self._stack: list[Any] = []
        self._request: tuple[str, tuple[Any, ...]] | None = None
        self._answer: Any = _NOTHING
        self._raised: BaseException | None = None

    def can_go_on(self) -> bool:
        """Tell whether there is a step to do now."""
        if self.is_done:
            return False
        return not self._waits() or self._request[1][0].done()

    def give_up_waiting(self) -> bool:
        """Let a wait with an end come to it; False when this one waits for ever, or does not."""
        if self.is_done or not self._waits() or self._request[1][1] is None:
            return False
        self._answer = self._request[1][0].done()
        return True

    def step(self) -> None:
        """Do one step."""
        if not self.has_begun:
            self.has_begun = True
            self._stack = [self._begin()]
            self._go_on(None, None)
        elif self._answer is _NOTHING and self._raised is None:
            self._do()
        else:
            answer, raised = self._answer, self._raised
            self._answer, self._raised = _NOTHING, None
            self._go_on(answer, raised)

    def _waits(self) -> bool:
        return self._request is not None and self._request[0] == "wait" and self._answer is _NOTHING

    def _do(self) -> None:
        verb, arguments = self._request
        if verb in ("lead", "lead_apart"):
            self._request = None
            self._stack.append(_led(arguments[0]))
            self._go_on(None, None)
        elif verb == "spawn":
            apart = Operation(f"{self.name}, in the background", self.cache, arguments[0])
            self.spawned.append(apart)
            self._answer = True
        elif verb == "wait":
            self._answer = True
        else:
            try:
                self._answer = getattr(self._link, verb)(*arguments)
            except BaseException as exc:
                self._raised = exc

    def _go_on(self, answer: Any, raised: BaseException | None) -> None:
        while self._stack:
            steps = self._stack[-1]
            try:
                self._request = steps.send(answer) if raised is None else steps.throw(raised)
            except StopIteration as stop:
                self._stack.pop()
                answer, raised = stop.value, None
            except BaseException as exc:
                self._stack.pop()
                answer, raised = None, exc
            else:
                return
        self._request = None
        self.result, self.error, self.is_done = answer, raised, True


def _led(steps: Callable[[], Any]) -> Iterator[Any]:
    """Do a load, and tell that it was done."""
    yield from steps()
    return True


class Schedule:
    """Which of the operations that can go on does the next step, time after time."""

    def __init__(self, choose: Callable[[int], int]) -> None:
        self._choose = choose
        self.trace: list[str] = []

    def run(self, operations: list[Operation], after_step: Callable[[], object] | None) -> None:
        """Run all to their ends; raises AssertionError when nobody can go on."""
        running = list(operations)
        while running := [each for each in running if not each.is_done]:
            able = [each for each in running if each.can_go_on()]
            if not able:
                able = [each for each in running if each.give_up_waiting()]
            assert able, f"all wait for each other: {self.trace}"
            chosen = able[self._choose(len(able))] if len(able) > 1 else able[0]
            self.trace.append(chosen.name)
            chosen.step()
            running += chosen.spawned
            chosen.spawned = []
            if after_step is not None:
                after_step()


def all_orders(most: int) -> Iterator[Schedule]:
    """Give every schedule once; raises AssertionError when there are more than `most`."""
    path: list[tuple[int, int]] = []
    for _ in range(most):
        at = -1

        def choose(count: int) -> int:
            nonlocal at
            at += 1
            if at == len(path):
                path.append((0, count))
            return path[at][0]

        yield Schedule(choose)
        while path and path[-1][0] + 1 == path[-1][1]:
            path.pop()
        if not path:
            return
        path[-1] = (path[-1][0] + 1, path[-1][1])
    raise AssertionError(f"there are more than {most} orders")


def random_orders(count: int, seed: int) -> Iterator[Schedule]:
    """Give so many schedules at random."""
    for number in range(count):
        chance = random.Random(f"{seed}-{number}")
        yield Schedule(chance.randrange)
