"""What watching a query costs, beside an empty pair of listeners and what others ship.

The pair of listeners and ours take turns in this process; the peers, which patch what all engines
share, take theirs in processes of their own. All costs are above those of the same queries without
anybody watching.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import pytest

from benchmarks._database import QUERIES, Turns, Work, listen_to_nothing, make_engine
from benchmarks._database_costs import JUDGED, PAIR, WORDS, Clock, instrumented, saw_all
from benchmarks._database_peers import ELASTIC, OTEL, QUERY_PEERS, SENTRY, PeerProcess
from benchmarks.conftest import Peer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.conftest import Bench

pytestmark = pytest.mark.usefixtures("frozen")

ROUNDS: Final[dict[Work, int]] = {"core": 60, "connect": 60, "orm": 120, "lazy": 120}
TIMING_BOUNDS: Final = {PAIR: 0.5, OTEL: 1 / 15}
FULL_BOUNDS: Final = {PAIR: 1.0, OTEL: 0.1, SENTRY: 0.1, ELASTIC: 0.1}
NOTE: Final = (
    "CPU time above the same queries unwatched. `timing` is HHS_PERF_QUERY_DETAIL=timing; `full`"
    " times fetching, counts rows, looks for N+1 queries in a scope and watches the pool. Both"
    " include a scope and a flush for each turn: of 1,000 queries, as a busy process sends in the"
    " second between two flushes, or of 100 to 150 of the ORM's. Peers run in processes of their"
    " own, in the same rounds."
)


@pytest.fixture(scope="module")
def peers() -> Iterator[dict[str, PeerProcess]]:
    """Yield the processes of the peers."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(PeerProcess(name)) for name in QUERY_PEERS}


@pytest.mark.parametrize("detail", ["timing", "full"])
@pytest.mark.parametrize("work", list(WORDS))
def test_cost(bench: Bench, peers: dict[str, PeerProcess], work: Work, detail: str) -> None:
    """Timing costs half of the empty pair, all there is less than it; others ten times as much."""
    clock = Clock()
    bounds = FULL_BOUNDS if detail == "full" else TIMING_BOUNDS
    bounds = bounds if work in JUDGED else {}
    with ExitStack() as stack:
        bare, paired = Turns(make_engine()), Turns(make_engine())
        stack.callback(bare.engine.dispose)
        stack.callback(paired.engine.dispose)
        listen_to_nothing(paired.engine)
        ours, mine = instrumented(stack, detail)
        others = {
            name: Peer(run=clock.turn_of(process, work), bound=bounds.get(name))
            for name, process in peers.items()
        }
        bench.compare(
            f"{detail}: {WORDS[work]} (SQLite)",
            ours.turn(work),
            {PAIR: Peer(run=paired.turn(work), bound=bounds.get(PAIR)), **others},
            unit="us",
            operations=QUERIES[work],
            rounds=ROUNDS[work],
            base=bare.turn(work),
            clock=clock,
            note=NOTE,
        )
        assert not mine.faults
        saw_all(mine, work, ROUNDS[work])
