"""Which advice on indexes is right, on SQLite and on PostgreSQL, by statistics and proven."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import Engine, create_engine

from benchmarks.index_scenarios import JUDGED, SCENARIOS, fill, metadata
from hhs_perf._faults import Faults
from hhs_perf.database.indexes import IndexAdvisor
from tests.postgres import Postgres
from tests.slow_statements import slow_statement

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.conftest import Bench
    from benchmarks.index_scenarios import Advised

ROWS: Final = 200_000
WRONG: Final = 1
"""Of the fifteen, as many may be wrong."""
NOTE: Final = (
    f"On {ROWS:,} rows. Eight of the fifteen judged statements need an index and seven must give"
    " none; the others are joins, subqueries, composite and covered columns. `proven`: the index is"
    " made in a savepoint, the plan asked for anew, and all rolled back."
)


@pytest.fixture(scope="module", params=["SQLite", "PostgreSQL"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """Yield an engine whose database is filled."""
    if request.param == "SQLite":
        path: Path = tmp_path_factory.mktemp("indexes") / "shop.db"
        yield from _filled(f"sqlite:///{path}")
    else:
        with Postgres() as server:
            yield from _filled(server.url("psycopg"))


def _filled(url: str) -> Iterator[Engine]:
    engine = create_engine(url)
    with engine.begin() as connection:
        fill(connection, ROWS)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("proven", [False, True], ids=["statistics", "proven"])
def test_advice(bench: Bench, engine: Engine, proven: bool) -> None:  # noqa: FBT001 - a parameter
    """At least 14 of 15 are right, and no advice is on a covered or absent column."""
    faults = Faults()
    advisor = IndexAdvisor(faults=faults)
    given: dict[str, Advised] = {}

    def campaign() -> None:
        for scenario in SCENARIOS:
            slow = slow_statement(engine, scenario.statement(ROWS))
            report = advisor.find(engine, [slow], prove=proven)
            given[scenario.name] = frozenset(
                (one.table, one.columns) for one in report.advice if one.kind == "query"
            )

    bench.benchmark.pedantic(campaign, rounds=1)
    assert not faults.counts
    dialect = engine.dialect.name
    wrong = [each.name for each in SCENARIOS if not each.is_right(given[each.name], dialect)]
    judged = [each.name for each in SCENARIOS[:JUDGED] if each.name in wrong]
    useless = {one for advised in given.values() for one in advised if not _is_of_use(*one)}
    print(wrong, useless)
    name = "SQLite" if dialect == "sqlite" else "PostgreSQL"
    where = f"{name}, {'proven' if proven else 'by statistics'}"
    bench.show(f"wrong, of the {JUDGED} ({where})", len(judged), unit="", bound=WRONG, note=NOTE)
    others = len(wrong) - len(judged)
    bench.show(f"wrong, of {len(SCENARIOS) - JUDGED} more ({where})", others, unit="", bound=0)
    what = f"advice on a column that is covered or does not exist ({where})"
    bench.show(what, len(useless), unit="", bound=0)


def _is_of_use(table: str, columns: tuple[str, ...]) -> bool:
    """Tell whether the columns exist and no index or key begins with them."""
    known = metadata.tables.get(table)
    if known is None or not set(columns) <= set(known.c.keys()):
        return False
    covering = [tuple(index.columns.keys()) for index in known.indexes]
    covering += [
        tuple(column.name for column in constraint.columns)
        for constraint in known.constraints
        if type(constraint).__name__ in {"PrimaryKeyConstraint", "UniqueConstraint"}
    ]
    return not any(each[: len(columns)] == columns for each in covering)
