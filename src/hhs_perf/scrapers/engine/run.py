"""One run: every account of a list gets one outcome."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import attrs

from ..transport import SendError
from ..values import Failure, Outcome, Snapshot
from .health import PERCENT, refused
from .lane import Lane
from .reading import Answer, read
from .report import Tally
from .selection import Selector, day_of
from .writing import Writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from ..._clock import Clock
    from ..accounts import Account
    from ..limiter import Limiter
    from ..platform import Platform, Reading, Target
    from ..storage.sink import Sink
    from ..transport import TransportFactory, TransportOptions
    from ..values import FailureKind, SkipReason
    from .health import Health
    from .lane import Job
    from .report import RunReport
    from .selection import Wanted
    from .setup import PlatformSetup

__all__ = ["Observer", "Run", "RunParts"]

_RETRIED: Final = frozenset({"rate_limited", "network", "server"})
_SPLIT: Final = frozenset({"not_found", "suspended", "forbidden", "schema_changed"})
_WALLS: Final[Mapping[str, int]] = {"challenge": 3, "auth": 2}
_FIRST_BACKOFF: Final = 0.5
_LONGEST_BACKOFF: Final = 30.0
_SHORTEST_PAUSE: Final = 0.05
_PROBES: Final = 2
# So many requests at a time until a platform has answered well: a dead one is not asked for more.
_UNPROVEN: Final = 5
_DONE_WAITING: Final = 2000
_ROUNDING: Final = 1e-9


class Observer:
    """Hears what a run does; this one does nothing with it. Called in the run's event loop."""

    def request(
        self,
        platform: str,
        *,
        seconds: float,
        waited: float,
        failure: FailureKind | None,
        cost: float,
        unit: str | None,
    ) -> None:
        """Hear of a request that was answered, or was not."""

    def outcome(self, outcome: Outcome) -> None:
        """Hear what became of an account."""


@attrs.frozen(kw_only=True)
class RunParts:
    """What a run works with."""

    setups: Mapping[str, PlatformSetup]
    health_of: Callable[[str], Health]
    limiter: Limiter
    transport_of: Callable[[Platform], TransportFactory]
    options: TransportOptions
    clock: Clock
    observer: Observer
    on_fault: Callable[[str, BaseException], None]
    max_workers: int
    attempts: int
    max_wait: float
    spill_in: Path | None = None
    chance: random.Random = attrs.field(factory=random.Random)


class Run:
    """Asks the platforms for the figures of accounts; iterated over once, it gives the outcomes."""

    def __init__(
        self,
        accounts: Iterable[Account],
        parts: RunParts,
        wanted: Wanted,
        *,
        to: Sink | None,
        resume: bool,
    ) -> None:
        self._accounts = accounts
        self._parts = parts
        self._wanted = wanted
        self._sink = to
        self._resume = resume
        self._clock = parts.clock
        self._began = 0.0
        self._ended: float | None = None
        self._late: list[Outcome] = []
        self._tally = Tally(parts.clock.wall())
        self._writer: Writer | None = None
        self._workers = asyncio.Semaphore(parts.max_workers)
        self._outcomes: asyncio.Queue[list[Outcome] | None] = asyncio.Queue(_DONE_WAITING)
        self._lanes: list[Lane] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_wound_up = False
        """Whether nobody takes outcomes out of the queue any more."""

    @property
    def expected(self) -> Mapping[str, int]:
        """How many accounts are asked for, by platform; empty before the first outcome."""
        return {lane.platform.name: lane.total for lane in self._lanes}

    @property
    def report(self) -> RunReport:
        """What the run did, so far or in all."""
        writer = self._writer
        ended = self._clock.monotonic() if self._ended is None else self._ended
        return self._tally.report(
            seconds=ended - self._began,
            written=writer.written if writer else 0,
            unsaved=writer.unsaved if writer else 0,
            spilled_to=writer.spilled_to if writer else None,
            storage_error=writer.error if writer and writer.unsaved else None,
            left=sum(lane.left for lane in self._lanes),
        )

    async def outcomes(self) -> AsyncIterator[Outcome]:
        """Go through the accounts; whoever stops early leaves nothing under way."""
        self._began = self._clock.monotonic()
        work: asyncio.Task[None] | None = None
        if self._sink is not None:
            parts = self._parts
            self._writer = Writer(self._sink, spill_in=parts.spill_in, wall=self._clock.wall)
        try:
            for outcome in await self._select():
                await self._took(outcome)
                yield outcome
            for lane in self._lanes:
                factory = self._parts.transport_of(lane.platform)
                lane.transport = factory(lane.platform, self._parts.options)
            work = asyncio.create_task(self._work())
            while (batch := await self._outcomes.get()) is not None:
                for outcome in batch:
                    await self._took(outcome)
                    yield outcome
            await work
        finally:
            await self._wind_up(work)

    async def _wind_up(self, work: asyncio.Task[None] | None) -> None:
        self._is_wound_up = True
        if work is not None and not work.done():
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
        while not self._outcomes.empty():  # fetched, and nobody asked any more: it is kept
            self._late += self._outcomes.get_nowait() or ()
        for outcome in self._late:
            await self._took(outcome)
        for lane in self._lanes:
            if lane.transport is not None:
                try:
                    await lane.transport.close()
                except Exception as exc:  # noqa: BLE001 - a named border: a transport
                    self._parts.on_fault("closing a transport", exc)
        await self._parts.limiter.close()
        if self._writer is not None:
            await self._writer.finish()
        self._ended = self._clock.monotonic()

    async def _select(self) -> list[Outcome]:
        now = self._clock.wall()
        wanted, ids = self._wanted, {}
        if self._writer is not None and self._sink is not None:
            ids = dict(await self._writer.call(self._sink.account_ids))
            if self._resume:
                done = await self._writer.call(self._sink.done_on, day_of(now))
                wanted = attrs.evolve(wanted, done=done)
        selector = Selector(self._parts.setups, wanted, ids=ids, now=now).take(self._accounts)
        for name, selected in selector.selected.items():
            health = self._parts.health_of(name)
            health.begin()
            self._lanes.append(Lane(selected, health))
        return selector.skipped

    async def _took(self, outcome: Outcome) -> None:
        self._tally.take(outcome)
        try:
            self._parts.observer.outcome(outcome)
        except Exception as exc:  # noqa: BLE001 - a named border: measuring
            self._parts.on_fault("observing a scrape", exc)
        if self._writer is not None:
            await self._writer.add(outcome)

    async def _work(self) -> None:
        drivers = [asyncio.create_task(self._drive(lane)) for lane in self._lanes]
        self._tasks.update(drivers)
        try:
            await asyncio.gather(*drivers)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if not self._is_wound_up:
                await self._outcomes.put(None)

    async def _drive(self, lane: Lane) -> None:
        monotonic, tasks = self._clock.monotonic, self._tasks
        create_task = asyncio.get_running_loop().create_task
        while lane.left:
            if lane.stopped is not None or lane.out_of_budget:
                await self._give_up(lane)
                if not lane.left:
                    break
                await self._wait(lane, None)
                continue
            now = monotonic()
            probe_in = self._probe_in(lane)
            if probe_in:
                await self._wait(lane, now + probe_in)
                continue
            unproven = not lane.is_proven and lane.under_way >= _UNPROVEN
            job = None if unproven else lane.take(now)
            if job is None:
                await self._wait(lane, lane.next_due())
                continue
            is_probe = not lane.health.breaker.is_closed
            if is_probe and not lane.health.breaker.may_probe():
                lane.put_back(job)
                await self._wait(lane, now + _SHORTEST_PAUSE)
                continue
            job = self._within_budget(lane, job)
            if job is None:
                if not lane.out_of_budget:
                    await self._wait(lane, None)
                continue
            if not await self._may_start(lane):
                lane.put_back(job)
                continue
            job.waited += monotonic() - now
            job.attempts += 1
            job.tries += 1
            lane.under_way += 1
            lane.health.promise(_most_cost(lane, job))
            task = create_task(self._attempt(lane, job))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def _may_start(self, lane: Lane) -> bool:
        """Wait for a worker and for the limit, and hold the worker; False where it is over."""
        limiter, name, interval = self._parts.limiter, lane.platform.name, lane.setup.interval
        free_in = limiter.free_in(name)
        if free_in:
            self._stop_if_long(lane, free_in)
            if lane.stopped is not None:
                return False
        elif not interval:
            await self._workers.acquire()
            # Meanwhile there may be a pause: then it is waited for below, as any other.
            if lane.stopped is None and not limiter.free_in(name):
                await limiter.acquire(name, interval)
                return True
            self._workers.release()
            self._stop_if_long(lane, limiter.free_in(name))
            if lane.stopped is not None:
                return False
        try:
            async with asyncio.timeout(None) as lane.limit_wait:
                await limiter.ready(name, interval)
                await self._workers.acquire()
                try:
                    await limiter.acquire(name, interval)
                except BaseException:
                    self._workers.release()
                    raise
        except TimeoutError:
            return False
        finally:
            lane.limit_wait = None
        if lane.stopped is not None:
            self._workers.release()
            return False
        return True

    def _stop_if_long(self, lane: Lane, seconds: float) -> None:
        if seconds > self._parts.max_wait:
            what = f"the platform wants to be left alone for {seconds:.0f} s"
            lane.stop(Failure(kind="rate_limited", detail=what, wait=seconds))

    def _probe_in(self, lane: Lane) -> float | None:
        breaker = lane.health.breaker
        if breaker.is_closed:
            return None
        return breaker.probe_in()

    async def _wait(self, lane: Lane, until: float | None) -> None:
        lane.wake.clear()
        if until is None:
            await lane.wake.wait()
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - self._clock.monotonic())):
                await lane.wake.wait()

    def _within_budget(self, lane: Lane, job: Job) -> Job | None:
        """Cut a job down to what the day's budget still pays; None where that is nothing."""
        limit, budget = lane.setup.limit, lane.platform.budget
        if limit is None or budget is None:
            return job
        left = lane.health.left(self._clock.wall(), limit) - budget.per_request
        most = len(job.targets)
        if budget.per_account:
            most = min(most, int(left / budget.per_account + _ROUNDING))
        if left < -_ROUNDING or most < 1:
            lane.put_back(job)
            # What is under way may fail, and cost nothing.
            lane.out_of_budget = not lane.under_way
            return None
        if most < len(job.targets):
            lane.put_back(attrs.evolve(job, targets=job.targets[most:]))
            job = attrs.evolve(job, targets=job.targets[:most])
        return job

    async def _attempt(self, lane: Lane, job: Job) -> None:
        monotonic = self._clock.monotonic
        began = monotonic()
        try:
            try:
                answer = await self._ask(lane, job)
            finally:
                self._workers.release()
            took = monotonic() - began
            job.seconds += took
            await self._settle(lane, job, answer, took)
        except Exception as exc:  # noqa: BLE001 - a named border: every account gets its outcome
            self._parts.on_fault("scraping", exc)
            what = f"the engine failed: {type(exc).__name__}"
            await self._finish(lane, job, dict.fromkeys(job.targets, _failed("server", what)))
        finally:
            lane.health.promise(-_most_cost(lane, job))
            lane.under_way -= 1
            lane.wake.set()

    async def _ask(self, lane: Lane, job: Job) -> Answer:
        platform, targets = lane.platform, job.targets
        way: Any = platform.resolve if job.resolves else platform
        try:
            call = way.build(targets, lane.setup.credentials)
        except Exception as exc:  # noqa: BLE001 - a named border: a plugin's function
            return Answer(_failed("schema_changed", f"no request: {type(exc).__name__}: {exc}"))
        is_elsewhere = platform.many_hosts and call.host is not None
        base = f"https://{call.host}" if is_elsewhere else platform.base_url
        assert lane.transport is not None  # noqa: S101 - made before the lane is driven
        try:
            reply = await lane.transport.send(base + call.path, call)
        except SendError as exc:
            return Answer(_failed("network", f"{exc.phase}: {exc.detail}"))
        return read(platform, way.parse, reply, targets)

    async def _settle(self, lane: Lane, job: Job, answer: Answer, took: float) -> None:
        failure = answer.failure
        cost = self._pay(lane, answer)
        kind = None if failure is None else failure.kind
        self._note(lane, job, kind, took, cost)
        self._judge(lane, failure)
        await self._pause(lane, answer, job)
        if failure is None:
            await self._finish(lane, job, answer.found)
            return
        if kind in _RETRIED and job.tries < self._parts.attempts and lane.stopped is None:
            backoff = 0.0 if kind == "rate_limited" else self._backoff(job.tries)
            job.due = self._clock.monotonic() + backoff
            job.waited += backoff
            lane.again(job)
            return
        if kind in _SPLIT and len(job.targets) > 1 and lane.stopped is None:
            lane.split(job)
            return
        await self._finish(lane, job, dict.fromkeys(job.targets, failure))

    def _pay(self, lane: Lane, answer: Answer) -> float:
        budget = lane.platform.budget
        if budget is None:
            return 0.0
        now, health = self._clock.wall(), lane.health
        signal = answer.signal
        if budget.unit == PERCENT and signal is not None and signal.used is not None:
            health.percent = 100 * signal.used
        health.pay_request(now, budget.per_request)
        cost = budget.per_request
        if budget.per_account:
            for target, found in answer.found.items():
                if not isinstance(found, Failure):
                    cost += health.pay_account(now, target.handle, budget.per_account)
        return cost

    def _note(
        self, lane: Lane, job: Job, kind: FailureKind | None, took: float, cost: float
    ) -> None:
        budget = lane.platform.budget
        name, unit = lane.platform.name, None if budget is None else budget.unit
        waited = job.waited - job.told
        job.told = job.waited
        held = self._tally.request(name, unit, seconds=took, waited=waited, failure=kind)
        held.cost += cost
        try:
            self._parts.observer.request(
                name, seconds=took, waited=waited, failure=kind, cost=cost, unit=unit
            )
        except Exception as exc:  # noqa: BLE001 - a named border: measuring
            self._parts.on_fault("observing a request", exc)

    def _judge(self, lane: Lane, failure: Failure | None) -> None:
        """Let the breaker know, and end the platform's run where more requests are no use."""
        breaker = lane.health.breaker
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

    async def _pause(self, lane: Lane, answer: Answer, job: Job) -> None:
        failure, signal = answer.failure, answer.signal
        wait = 0.0 if signal is None or signal.wait is None else signal.wait
        if failure is not None and failure.wait is not None:
            wait = max(wait, failure.wait)
        used_up = signal is not None and (
            (signal.remaining is not None and signal.remaining < 1)
            or (signal.used is not None and signal.used >= 1)
        )
        if failure is not None and failure.kind == "rate_limited":
            # Some say `Retry-After: 0`, and refuse again.
            wait = max(wait, _SHORTEST_PAUSE) if wait else self._backoff(job.tries, least=0.5)
        elif not used_up:
            # The end of an allowance of which something is left is nothing to wait for.
            down = failure if failure is not None and failure.kind == "server" else None
            wait = 0.0 if down is None else down.wait or 0.0
        if wait > 0:
            await self._parts.limiter.pause(lane.platform.name, wait)
            self._stop_if_long(lane, wait)

    def _backoff(self, attempts: int, *, least: float = 0.0) -> float:
        """Full jitter, as in M. Brooker, "Exponential Backoff And Jitter", AWS, 2015."""
        longest = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2**attempts)
        return self._parts.chance.uniform(least * longest, longest)

    async def _finish(
        self, lane: Lane, job: Job, found: Mapping[Target, Reading | Failure]
    ) -> None:
        outcomes: list[Outcome] = []
        now = self._clock.wall()
        for target in job.targets:
            result = found[target]
            if isinstance(result, Failure):
                outcomes.append(self._failed(lane, job, target, result, now))
            elif result.figures is None:
                if result.account_id is None or not job.resolves:
                    what = "it is not said who the account is"
                    failure = _failed("schema_changed", what)
                    outcomes.append(self._failed(lane, job, target, failure, now))
                else:
                    lane.resolved(job, target, result)
            else:
                outcomes.append(self._succeeded(lane, job, target, result, now))
        lane.left -= len(outcomes)
        lane.answered(job)
        await self._give(outcomes)

    async def _give(self, outcomes: list[Outcome]) -> None:
        if not outcomes:
            return
        try:
            await self._outcomes.put(outcomes)
        except asyncio.CancelledError:
            self._late += outcomes
            raise

    def _succeeded(
        self, lane: Lane, job: Job, target: Target, reading: Reading, now: float
    ) -> Outcome:
        spent = lane.spent_on(target)
        account_id = reading.account_id or target.account_id
        outcome = Outcome(
            account=target.account,
            platform=lane.platform.name,
            handle=target.handle,
            status="success",
            snapshot=Snapshot(
                account=target.account,
                platform=lane.platform.name,
                handle=target.handle,
                account_id=account_id,
                display_name=reading.display_name,
                taken_at=now,
                figures=reading.figures or {},
            ),
            account_id=account_id,
            seconds=job.seconds + spent.seconds,
            waited=job.waited + spent.waited,
            attempts=job.attempts + spent.attempts,
            at=now,
        )
        lane.health.take(outcome)
        return outcome

    def _failed(
        self, lane: Lane, job: Job | None, target: Target, failure: Failure, now: float
    ) -> Outcome:
        spent = lane.spent_on(target)
        outcome = Outcome(
            account=target.account,
            platform=lane.platform.name,
            handle=target.handle,
            status="failure",
            failure=failure,
            account_id=target.account_id,
            seconds=spent.seconds + (job.seconds if job else 0.0),
            waited=spent.waited + (job.waited if job else 0.0),
            attempts=spent.attempts + (job.attempts if job else 0),
            at=now,
        )
        lane.health.take(outcome)
        return outcome

    async def _give_up(self, lane: Lane) -> None:
        """End all accounts of a platform that are not under way."""
        now = self._clock.wall()
        outcomes = list(self._given_up(lane, now))
        lane.left -= len(outcomes)
        await self._give(outcomes)

    def _given_up(self, lane: Lane, now: float) -> Iterator[Outcome]:
        for target, job in lane.drain():
            if lane.stopped is not None:
                yield self._failed(lane, job, target, lane.stopped, now)
            else:
                what = f"the day's budget of {lane.setup.limit:g} would be exceeded"
                yield _skipped(lane, target, "budget", what, now)


def _most_cost(lane: Lane, job: Job) -> float:
    budget = lane.platform.budget
    return 0.0 if budget is None else budget.per_request + budget.per_account * len(job.targets)


def _failed(kind: FailureKind, detail: str) -> Failure:
    return Failure(kind=kind, detail=detail)


def _skipped(lane: Lane, target: Target, reason: SkipReason, detail: str, now: float) -> Outcome:
    return Outcome(
        account=target.account,
        platform=lane.platform.name,
        handle=target.handle,
        status="skipped",
        skipped=reason,
        detail=detail,
        account_id=target.account_id,
        at=now,
    )
