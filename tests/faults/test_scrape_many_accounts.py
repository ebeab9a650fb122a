"""A run of very many accounts holds of each what it is asked for by, and lets go of the rest."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

import pytest

from hhs_perf.scrapers import Account, Outcome, Reply
from tests.scripted_platforms import Scripted, platform, scrapers, well

BATCH = 100
MOST_EACH = 700
"""Bytes for each account: its address and name, as texts, and the places where they are listed.

Those are 580 to 620; with an outcome of each that stays they are 860.
"""


class Counting:
    """A sink that counts, and holds nothing."""

    def __init__(self) -> None:
        self.written = 0

    def write(self, outcomes: Sequence[Outcome]) -> None:
        self.written += len(outcomes)

    def done_on(self, day: date) -> set[tuple[str, str]]:
        return set()

    def account_ids(self) -> dict[tuple[str, str], str]:
        return {}

    def close(self) -> None:
        """Nothing is open."""


def listed(count: int) -> Iterator[Account]:
    """List accounts that nobody else holds."""
    for number in range(count):
        yield Account(url=f"https://plain.test/plain-{number}")


def growth(count: int) -> int:
    """Do a run, and give the most memory that it held at a time, in bytes."""
    transport = Scripted()

    async def answer(url: str, whom: Iterable[str]) -> Reply:
        transport.asked.clear()  # what the test itself would remember
        return await well(url, whom)

    transport.answer = answer
    sink = Counting()
    ours = scrapers(transport, platform(batch=BATCH), interval=0.0)
    gc.collect()
    tracemalloc.start()
    try:
        run = ours.run(listed(count), to=sink)
        succeeded = sum(each.status == "success" for each in run)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (succeeded, sink.written, run.report.written) == (count, count, count)
    return peak


@pytest.mark.parametrize(
    ("few", "many"),
    [
        pytest.param(3_000, 12_000, id="12000"),
        pytest.param(
            10_000, 100_000, id="100000", marks=[pytest.mark.soak, pytest.mark.timeout(600)]
        ),
    ],
)
def test_memory_grows_by_the_list_alone(few: int, many: int) -> None:
    """Neither outcomes nor replies nor what was written stay."""
    growth(BATCH)  # what is loaded and made once
    each = (growth(many) - growth(few)) / (many - few)
    assert each < MOST_EACH
