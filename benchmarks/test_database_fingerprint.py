"""What it takes to know a statement again, and how many there seem to be."""

from __future__ import annotations

import asyncio
import timeit
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import psutil
import pytest
from asgi_profiler.fingerprint import sql_hash
from sqlalchemy import Engine, event, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks._database import Parent, fill, make_engine, monitor
from benchmarks._interleave import Spread
from benchmarks._results import Result
from hhs_perf._clock import SystemClock
from hhs_perf.database.seen.shapes import Shapes
from hhs_perf.database.seen.statements import StatementBook
from hhs_perf.metrics import Registry
from tests.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.conftest import Bench
    from hhs_perf import Monitor

ARITIES: Final = 400
HOT: Final = 0.1
MISS: Final = 50.0
TEXTS: Final = 1_000_000
FIRST: Final = 100_000
GROWTH: Final = 8.0
TABLE: Final = Parent.__table__
KEYS: Final = f"keys of one statement whose IN list has 1 to {ARITIES} values"
ONE: Final = "SELECT users.id, users.name, users.email FROM users WHERE users.id = ?"
JOIN: Final = (
    "SELECT orders.id, orders.total, orders.created_at, users.name, users.email, products.title "
    "FROM orders JOIN users ON users.id = orders.user_id JOIN items ON items.order_id = orders.id "
    "JOIN products ON products.id = items.product_id WHERE users.country = 'de' AND "
    "orders.created_at > '2026-01-01' AND products.price > 12.5 ORDER BY orders.created_at DESC"
)
TEN: Final = (
    f"{ONE[:-1]}1 AND users.age IN ({', '.join(f'%(age_1_{n})s::INTEGER' for n in range(10))})"
)
HUNDRED: Final = f"{ONE[:-1]}1 AND users.age IN ({', '.join(map(str, range(100)))})"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """Yield a server that has the tables."""
    with Postgres() as server:
        engine = make_engine(server.url("psycopg"))
        with engine.begin() as connection:
            fill(connection)
        engine.dispose()
        yield server


def _select(arity: int) -> Any:  # noqa: ANN401 - a select of a table's columns
    return select(TABLE).where(TABLE.c.id.in_(range(arity)))


def _seen_by(engine: Engine) -> list[str]:
    texts: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def keep(_connection: Any, _cursor: Any, sql: str, *_: object) -> None:  # noqa: ANN401 - likewise
        texts.append(sql)

    return texts


def _judge_keys(bench: Bench, driver: str, mine: Monitor, texts: list[str]) -> None:
    mine.metrics.flush()
    keys = [each.key for each in mine.database.statements if "FROM bench_parents" in each.shape.sql]
    assert len(texts) >= ARITIES
    theirs = len({sql_hash(" ".join(text.split())) for text in texts if "bench_parents" in text})
    bench.judge(
        Result(
            what=f"{KEYS} ({driver})",
            peer="asgi-profiler",
            unit="",
            ours=_exactly(len(keys)),
            theirs=_exactly(theirs),
            bound=1,
        )
    )


@pytest.mark.parametrize("driver", ["SQLite", "psycopg"])
def test_arities(bench: Bench, server: Postgres, driver: str) -> None:
    """400 lengths of an IN list are one statement."""
    engine = make_engine() if driver == "SQLite" else make_engine(server.url("psycopg"))
    with closing(monitor("full")) as mine:
        mine.database.instrument(engine)
        texts = _seen_by(engine)

        def send() -> None:
            with engine.connect() as connection:
                for arity in range(1, ARITIES + 1):
                    connection.execute(_select(arity)).all()

        bench.benchmark.pedantic(send, rounds=1)
        _judge_keys(bench, driver, mine, texts)
    engine.dispose()


def test_arities_with_asyncpg(bench: Bench, server: Postgres) -> None:
    """Likewise where the driver's placeholders are numbered."""

    async def send() -> None:
        engine = create_async_engine(server.url("asyncpg"))
        with closing(monitor("full")) as mine:
            mine.database.instrument(engine)
            texts = _seen_by(engine.sync_engine)
            async with engine.connect() as connection:
                for arity in range(1, ARITIES + 1):
                    (await connection.execute(_select(arity))).all()
            await engine.dispose()
            _judge_keys(bench, "asyncpg", mine, texts)

    bench.benchmark.pedantic(lambda: asyncio.run(send()), rounds=1)


def test_known_again(bench: Bench) -> None:
    """What is known stands on what was compiled: it is found in a tenth of a microsecond."""
    engine = make_engine()
    with closing(monitor("full")) as mine:
        mine.database.instrument(engine)
        contexts: list[Any] = []
        event.listen(engine, "after_cursor_execute", lambda *given: contexts.append(given[4]))
        with engine.connect() as connection:
            connection.execute(_select(3)).all()
        context = contexts[-1]

        def found() -> None:
            _, _, _, _ = context.compiled._hhs_perf  # noqa: SLF001 - as the listener does

        def nothing() -> None:
            pass

        samples = [each - least for each, least in zip(_times(found), _times(nothing), strict=True)]
    engine.dispose()
    bench.benchmark(found)
    spread = Spread.of(samples).scaled(1e6)
    bench.judge(Result(what="a statement known again", peer="", unit="us", ours=spread, bound=HOT))


def _times(run: Callable[[], object], number: int = 5000) -> list[float]:
    return [each / number for each in timeit.repeat(run, number=number, repeat=60)]


def test_driver_sql(bench: Bench) -> None:
    """A text that was never seen is masked in 50 microseconds."""
    dialects = {TEN: postgresql.dialect()}
    for name, text, bound in (
        ("by key, 70 characters", ONE, MISS),
        ("a join of four tables, 350 characters", JOIN, MISS),
        ("an IN list of 10, 330 characters", TEN, MISS),
        ("an IN list of 100, 460 characters", HUNDRED, None),
    ):
        dialect = dialects.get(text, sqlite.dialect())

        def miss(text: str = text, dialect: Any = dialect) -> None:  # noqa: ANN401 - a dialect
            Shapes().of_text(text, dialect)

        def theirs(text: str = text) -> None:
            sql_hash.__wrapped__(text)

        ours, others = _times(miss, 50), _times(theirs, 50)
        bench.judge(
            Result(
                what=f"a text seen for the first time: {name}",
                peer="asgi-profiler, uncached",
                unit="us",
                ours=Spread.of(ours).scaled(1e6),
                theirs=Spread.of(others).scaled(1e6),
                bound=bound,
            )
        )
    bench.benchmark(lambda: Shapes().of_text(JOIN, sqlite.dialect()))


def test_a_million_texts(bench: Bench) -> None:
    """What is kept of driver SQL does not grow with the number of texts."""
    shapes, dialect = Shapes(), sqlite.dialect()
    book = StatementBook(Registry(clock=SystemClock()), "db.query.duration")
    process = psutil.Process()
    sizes: list[int] = []

    def send() -> None:
        for number in range(TEXTS):
            shape = shapes.of_text(f"SELECT a, b FROM table_{number} WHERE a = 7", dialect)
            statement = book.get(shape.key) or book.add(shape)
            statement.take((1e-5, 0.0, 1, 1))
            if len(statement.waiting) >= 512:
                book.drain(statement)
            if number == FIRST:
                sizes.append(process.memory_info().rss)

    bench.benchmark.pedantic(send, rounds=1)
    grown = (process.memory_info().rss - sizes[0]) / 1e6
    bench.show(
        f"memory that {TEXTS:,} different texts take above {FIRST:,}",
        grown,
        unit="MB",
        bound=GROWTH,
    )
    bench.show("statements kept of them", len(list(book)), unit="", bound=4097)


def _exactly(value: float) -> Spread:
    return Spread(median=value, low=value, high=value)
