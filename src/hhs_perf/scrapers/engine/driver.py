"""Drives one lane: starts its requests when workers and limits allow, and settles their answers."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from ..platform import Call
from ..transport import SendError
from ..values import Failure
from . import outcomes as made
from .health import refused
from .pacing import SHORTEST_PAUSE, backoff, pause_after
from .reading import Answer, read
from .spending import most_cost, pay, within_budget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..platform import Reading, Target
    from ..values import FailureKind, Outcome
    from .desk import Desk
    from .lane import Job, Lane
    from .parts import RunParts

__all__ = ["Driver"]

_RETRIED: Final = frozenset({"rate_limited", "network", "server"})
_SPLIT: Final = frozenset({"not_found", "suspended", "forbidden", "schema_changed"})
_WALLS: Final[Mapping[str, int]] = {"challenge": 3, "auth": 2}
_PROBES: Final = 2
# So many requests at a time until a platform has answered: a dead one is not asked for more.
_UNPROVEN: Final = 5


class Driver:
    """Asks for all accounts of a lane; each gets its outcome at the desk."""

    def __init__(self, lane: Lane, parts: RunParts, desk: Desk) -> None:
        self._lane = lane
        self._parts = parts
        self._desk = desk
        self._clock = parts.clock

    async def drive(self) -> None:
        """Go on until every account has its outcome."""
        lane, monotonic = self._lane, self._clock.monotonic
        while lane.left:
            # Cleared before anything is looked at: what happens from here on ends a wait below.
            lane.wake.clear()
            if lane.stopped is not None or lane.out_of_budget:
                await self._give_up()
                if lane.left and lane.is_empty:
                    await lane.wake.wait()
                continue
            now = monotonic()
            job = await self._next_job(now)
            if job is None:
                continue
            if not await self._may_start():
                lane.put_back(job)
                continue
            job.waited += monotonic() - now
            job.attempts += 1
            job.tries += 1
            lane.under_way += 1
            lane.health.promise(most_cost(lane, job))
            self._desk.start(self._attempt(job))

    async def _next_job(self, now: float) -> Job | None:
        """Take a job that may be done now, or wait until something has changed."""
        lane = self._lane
        breaker = lane.breaker
        probe_in = None if breaker.is_closed else breaker.probe_in()
        if probe_in:
            await self._wait(now + probe_in)
            return None
        unproven = not lane.is_proven and lane.under_way + lane.walls >= _UNPROVEN
        job = None if unproven else lane.take(now)
        if job is None:
            await self._wait(lane.next_due())
            return None
        if not breaker.is_closed and not breaker.may_probe():
            lane.put_back(job)
            await self._wait(now + SHORTEST_PAUSE)
            return None
        paid = within_budget(lane, job, self._clock.wall())
        if paid is None and not lane.out_of_budget:
            await self._wait(None)
        return paid

    async def _may_start(self) -> bool:
        """Wait for a worker and for the limit, and hold the worker; False where it is over."""
        lane, limiter, workers = self._lane, self._parts.limiter, self._desk.workers
        key, interval = lane.key, lane.setup.interval
        if not limiter.free_in(key) and not interval:
            await workers.acquire()
            # Meanwhile there may be a pause: then it is waited for below, as any other.
            if lane.stopped is None and not limiter.free_in(key):
                await limiter.acquire(key, interval)
                return True
            workers.release()
        self._stop_if_long(limiter.paused_for(key))
        if lane.stopped is not None:
            return False
        try:
            async with asyncio.timeout(None) as lane.limit_wait:
                await limiter.ready(key, interval)
                await workers.acquire()
                try:
                    await limiter.acquire(key, interval)
                except BaseException:
                    workers.release()
                    raise
        except TimeoutError:
            return False
        finally:
            lane.limit_wait = None
        if lane.stopped is not None:
            workers.release()
            return False
        return True

    def _stop_if_long(self, seconds: float) -> None:
        if seconds > self._parts.max_wait:
            what = f"the platform wants to be left alone for {seconds:.0f} s"
            self._lane.stop(Failure(kind="rate_limited", detail=what, wait=seconds))

    async def _wait(self, until: float | None) -> None:
        wake = self._lane.wake
        if until is None:
            await wake.wait()
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - self._clock.monotonic())):
                await wake.wait()

    async def _attempt(self, job: Job) -> None:
        lane, monotonic = self._lane, self._clock.monotonic
        began = monotonic()
        try:
            try:
                answer = await self._ask(job)
            finally:
                self._desk.workers.release()
            took = monotonic() - began
            job.seconds += took
            await self._settle(job, answer, took)
        except Exception as exc:  # noqa: BLE001 - a named border: every account gets its outcome
            self._parts.on_fault("scraping", exc)
            what = f"the engine failed: {type(exc).__name__}"
            failure = Failure(kind="server", detail=what)
            await self._finish(job, dict.fromkeys(job.targets, failure))
        finally:
            lane.health.promise(-most_cost(lane, job))
            lane.under_way -= 1
            lane.wake.set()

    async def _ask(self, job: Job) -> Answer:
        lane, targets = self._lane, job.targets
        platform = lane.platform
        way: Any = platform.resolve if job.resolves else platform
        try:
            call = way.build(targets, lane.setup.credentials)
            if not isinstance(call, Call):
                raise TypeError(f"build gives a Call, and gave {type(call).__name__}")  # noqa: TRY301 - told as what build raises itself
        except Exception as exc:  # noqa: BLE001 - a named border: a plugin's function
            what = f"no request: {type(exc).__name__}: {exc}"
            return Answer(Failure(kind="schema_changed", detail=what))
        is_elsewhere = platform.many_hosts and call.host is not None
        base = f"https://{call.host}" if is_elsewhere else platform.base_url
        assert lane.transport is not None  # noqa: S101 - made before the lane is driven
        try:
            reply = await lane.transport.send(base + call.path, call)
        except SendError as exc:
            return Answer(Failure(kind="network", detail=f"{exc.phase}: {exc.detail}"))
        return read(platform, way.parse, reply, targets)

    async def _settle(self, job: Job, answer: Answer, took: float) -> None:
        lane, failure = self._lane, answer.failure
        kind = None if failure is None else failure.kind
        cost = pay(lane, answer, self._clock.wall())
        self._note(job, kind, took, cost)
        self._judge(failure)
        pause = pause_after(answer, job, self._parts.chance)
        if pause > 0:
            await self._parts.limiter.pause(lane.key, pause)
            self._stop_if_long(pause)
        if failure is None:
            await self._finish(job, answer.found)
        elif lane.stopped is not None:
            await self._finish(job, dict.fromkeys(job.targets, failure))
        elif kind in _RETRIED and job.tries < self._parts.attempts:
            wait = 0.0 if kind == "rate_limited" else backoff(self._parts.chance, job.tries)
            job.due = self._clock.monotonic() + wait
            job.waited += wait
            lane.again(job)
        elif kind in _SPLIT and len(job.targets) > 1:
            lane.split(job)
        else:
            await self._finish(job, dict.fromkeys(job.targets, failure))

    def _note(self, job: Job, kind: FailureKind | None, took: float, cost: float) -> None:
        platform = self._lane.platform
        unit = None if platform.budget is None else platform.budget.unit
        waited = job.waited - job.told
        job.told = job.waited
        self._desk.request(
            platform.name, seconds=took, waited=waited, failure=kind, cost=cost, unit=unit
        )

    def _judge(self, failure: Failure | None) -> None:
        """Let the breaker know, and end the lane where more requests are no use."""
        lane = self._lane
        breaker = lane.breaker
        kind = None if failure is None else failure.kind
        if failure is None or kind in _SPLIT or kind == "rate_limited":
            lane.walls = lane.probes_failed = 0
            lane.is_proven = True
            breaker.succeeded()
            return
        if kind == "quota_exhausted":
            lane.stop(failure)
            return
        if kind is not None and kind in _WALLS:
            lane.walls += 1
            if lane.walls >= _WALLS[kind]:
                lane.stop(failure)
            return
        was_probe = breaker.state == "half_open"
        breaker.failed(refused(failure))
        if was_probe:
            lane.probes_failed += 1
            if lane.probes_failed >= _PROBES:
                lane.stop(failure)

    async def _finish(self, job: Job, found: Mapping[Target, Reading | Failure]) -> None:
        lane, now = self._lane, self._clock.wall()
        outcomes: list[Outcome] = []
        for target in job.targets:
            outcome = self._outcome(job, target, found[target], now)
            if outcome is not None:
                lane.health.take(outcome)
                outcomes.append(outcome)
        lane.left -= len(outcomes)
        lane.answered(job)
        await self._desk.give(outcomes)

    def _outcome(
        self, job: Job, target: Target, result: Reading | Failure, now: float
    ) -> Outcome | None:
        """Make the outcome of a target; None where there is more to be asked of it."""
        lane = self._lane
        if isinstance(result, Failure):
            if result.kind == "not_found" and target.is_remembered and lane.can_resolve:
                lane.forget(job, target)
                return None
            return made.failed(lane, job, target, result, now)
        if result.figures is not None:
            return made.succeeded(lane, job, target, result, now)
        if result.account_id is not None and job.resolves:
            lane.resolved(job, target, result)
            return None
        what = "it is not said who the account is"
        return made.failed(lane, job, target, Failure(kind="schema_changed", detail=what), now)

    async def _give_up(self) -> None:
        """End all accounts that are not under way."""
        lane, now = self._lane, self._clock.wall()
        outcomes = []
        for target, job in lane.drain():
            if lane.stopped is not None:
                outcomes.append(made.failed(lane, job, target, lane.stopped, now))
            else:
                outcomes.append(made.out_of_budget(lane.setup, target, now))
            lane.health.take(outcomes[-1])
        lane.left -= len(outcomes)
        await self._desk.give(outcomes)
