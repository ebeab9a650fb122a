"""What was written last, carried within a context and from request to request."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hhs_perf import _scope
from hhs_perf.database.replicas.tokens import Memory, Written
from hhs_perf.database.scopes import QueryScope
from hhs_perf.testing import FakeClock


def fresh(scenario):
    """Run in a context of its own, as a request does."""
    return copy_context().run(scenario)


def test_a_token_brings_the_position_and_the_age_to_another_process(clock):
    there = FakeClock(wall=clock.wall() + 0.5)
    there.advance(100.0)
    there.jump_wall(-100.0)

    def write():
        memory = Memory(clock)
        memory.note(0xABC)
        clock.advance(0.5)
        return memory.token()

    def read(token):
        memory = Memory(there)
        memory.begin(token)
        return memory.last()

    assert fresh(lambda: read(fresh(write))) == Written(lsn=0xABC, at=pytest.approx(99.5))


def test_a_writer_whose_clock_is_ahead_wrote_just_now(clock):
    def scenario():
        memory = Memory(clock)
        memory.begin(f"1.-.{round(clock.wall() * 1000) + 60_000}")
        assert memory.last() == Written(lsn=None, at=clock.monotonic())

    fresh(scenario)


@given(
    st.text().filter(lambda text: not text.startswith("1."))
    | st.from_regex(r"1\.[0-9a-f]{17,20}\.[0-9]{10,15}", fullmatch=True)
    | st.from_regex(r"1\.[0-9a-f]{1,16}\.[0-9]{16,20}", fullmatch=True)
    | st.from_regex(r"1\.[0-9a-f]{1,16}\.[0-9]{10}[^0-9]", fullmatch=True)
)
def test_a_text_that_is_no_token_is_as_good_as_none(text):
    def scenario():
        memory = Memory(FakeClock())
        memory.note(5)
        memory.begin(text)
        assert memory.last() is None
        assert memory.token() is None

    fresh(scenario)


@given(st.integers(0, 2**64 - 1) | st.none(), st.integers(0, 10**15 - 1))
def test_a_token_is_believed_whatever_its_position_and_age(lsn, wall):
    """It may come from a clock that is wrong: no age beyond an hour, and none below zero."""

    def scenario():
        clock = FakeClock()
        clock.advance(7200.0)
        memory = Memory(clock)
        memory.begin(f"1.{'-' if lsn is None else format(lsn, 'x')}.{wall}")
        last = memory.last()
        assert last.lsn == lsn
        assert 3600.0 <= last.at <= 7200.0

    fresh(scenario)


def test_beginning_forgets_what_the_context_wrote(clock):
    def scenario():
        memory = Memory(clock)
        memory.note(5)
        memory.begin(None)
        assert memory.last() is None
        assert memory.token() is None

    fresh(scenario)


def test_a_position_is_forgotten_after_an_hour(clock):
    def scenario():
        memory = Memory(clock)
        memory.note(5)
        clock.advance(3600.0)
        assert memory.last() is not None
        clock.advance(0.1)
        assert memory.last() is None

    fresh(scenario)


def test_routers_keep_their_positions_apart(clock):
    def scenario():
        one, other = Memory(clock), Memory(clock)
        one.note(5)
        assert other.last() is None
        other.note(7)
        other.begin(None)
        assert one.last() == Written(lsn=5, at=0.0)

    fresh(scenario)


def test_a_thread_starts_without_a_memory_and_keeps_its_own_to_itself(clock):
    def scenario():
        memory = Memory(clock)
        memory.note(5)
        seen = []

        def other():
            seen.append(memory.last())
            memory.note(6)

        thread = Thread(target=lambda: copy_context().run(other))
        thread.start()
        thread.join()
        assert memory.last().lsn == 5
        return seen

    assert fresh(scenario)[0] is None


async def test_calls_in_threads_share_the_memory_that_a_request_began(clock):
    memory = Memory(clock)
    memory.begin(None)
    await asyncio.to_thread(memory.note, 9)
    assert memory.last().lsn == 9
    assert (await asyncio.to_thread(memory.last)).lsn == 9


async def test_tasks_of_two_requests_know_nothing_of_each_other(clock):
    memory = Memory(clock)

    async def request(lsn):
        memory.begin(None)
        if lsn:
            memory.note(lsn)
        await asyncio.sleep(0)
        return memory.last()

    written, idle = await asyncio.gather(request(7), request(None))
    assert written.lsn == 7
    assert idle is None


def query_scope():
    return QueryScope("block", owner=None, n_plus_one="off", done=lambda _: None, began=0.0)


async def test_what_a_call_in_a_request_wrote_its_other_calls_read(clock):
    """A `def` dependency and a `def` endpoint run in threads, each with a copy of the context."""
    memory = Memory(clock)

    async def request(lsn):
        _scope.current.set(_scope.RequestScope("GET", 0.0))
        if lsn:
            await asyncio.wait_for(asyncio.to_thread(memory.note, lsn), 5)
        await asyncio.sleep(0)
        return memory.last(), await asyncio.to_thread(memory.token)

    (written, token), (idle, none) = await asyncio.gather(request(7), request(None))
    assert written.lsn == 7
    assert token.startswith("1.7.")
    assert (idle, none) == (None, None)


async def test_what_a_call_in_a_block_wrote_its_other_calls_read(clock):
    memory = Memory(clock)
    with query_scope():
        with query_scope():
            await asyncio.to_thread(memory.note, 9)
        assert memory.last().lsn == 9
        assert (await asyncio.to_thread(memory.last)).lsn == 9
    await asyncio.to_thread(memory.note, 10)
    assert memory.last() is None


def test_what_was_written_within_a_block_is_known_behind_it(clock):
    def scenario():
        memory = Memory(clock)
        with query_scope():
            memory.note(9)
        assert memory.last().lsn == 9

    fresh(scenario)


def test_the_latest_commit_counts_wherever_it_was_noted(clock):
    def scenario():
        memory = Memory(clock)
        memory.note(8)
        clock.advance(1.0)
        with query_scope():
            assert memory.last().lsn == 8
            copy_context().run(memory.note, 9)
            assert memory.last().lsn == 9

    fresh(scenario)


def test_beginning_forgets_what_request_and_block_wrote(clock):
    def scenario():
        memory, other = Memory(clock), Memory(clock)
        _scope.current.set(_scope.RequestScope("GET", 0.0))
        with query_scope():
            other.note(4)
            memory.note(5)
            memory.begin(None)
            assert memory.last() is None
            memory.begin("1.a.0")
            assert memory.last().lsn == 10
        assert other.last().lsn == 4

    fresh(scenario)


async def test_a_token_remembered_in_one_call_of_a_request_counts_in_its_others(clock):
    _scope.current.set(_scope.RequestScope("GET", 0.0))
    memory = Memory(clock)
    await asyncio.to_thread(memory.begin, "1.a.0")
    assert memory.last().lsn == 10


async def test_what_a_request_wrote_its_tasks_read_once_it_is_over(clock):
    request = _scope.RequestScope("GET", 0.0)
    _scope.current.set(request)
    memory = Memory(clock)
    await asyncio.to_thread(memory.note, 9)
    request.is_open = False
    assert memory.last().lsn == 9
