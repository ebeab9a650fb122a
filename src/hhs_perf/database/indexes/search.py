"""One search for indexes, over one connection."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import SQLAlchemyError

from ..marks import OURS
from ..plans import postgresql
from ..plans.explaining import explain_as_far, is_explainable
from ..plans.plan import NoPlan
from ..telling import tell
from .asking import Notes, attempt
from .candidates import accesses, core_of
from .copies import NotCopiedError, copied
from .existing import Catalogue
from .gate import FEWEST_ROWS, Choice, choose, is_scanned
from .merging import Wish, merge
from .passing import is_passing
from .proof import (
    LEAST_GAIN,
    OutOfTimeError,
    Proof,
    RefusedError,
    prove_on_copy,
    prove_on_postgresql,
)
from .proofs import Outcome, key_of
from .report import IndexReport, ServerFigures
from .server_side import server_figures
from .statistics import statistics_of
from .usage import waste
from .widths import Widths

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Connection, Engine

    from ..._clock import Clock
    from ..._faults import Faults
    from ..plans import Plan
    from ..seen.slow import SlowStatement
    from .candidates import Access
    from .proofs import ProofBook

__all__ = ["Search"]

_MOST_STATEMENTS: Final = 100
_LONGEST_QUESTION: Final = 2.0
_NOT_ASKED: Final = "not tried: it is only in development"


class Search:
    """Looks at statements one by one until the time is over.

    With `proofs`, indexes are tried out, but for those that it remembers.
    """

    def __init__(
        self,
        *,
        connection: Connection,
        engine: Engine,
        clock: Clock,
        faults: Faults,
        until: float,
        is_copy: bool,
        name: str,
        proofs: ProofBook | None,
    ) -> None:
        self._connection = connection
        self._engine = engine
        self._clock = clock
        self._faults = faults
        self._until = until
        self._is_copy = is_copy
        self._name = name
        self._proofs = proofs
        self._notes = Notes()
        self._refused: Counter[str] = Counter()
        self._server: list[ServerFigures] = []
        self._kept = ExitStack()
        self._copy: sqlite3.Connection | None = None
        self._is_postgresql = connection.dialect.name == "postgresql"
        # SQLite's indexes take values of any length.
        self._widths = Widths(connection, self._notes) if self._is_postgresql else None

    def report(self, slow: Sequence[SlowStatement]) -> IndexReport:
        """Look at everything, and put it together."""
        with self._kept:
            return self._report(slow)

    def _report(self, slow: Sequence[SlowStatement]) -> IndexReport:
        self._prepare()
        self._catalogue = Catalogue(self._connection)
        self._statistics = statistics_of(self._connection, self._notes)
        wishes: list[Wish] = []
        by_weight = sorted(slow, key=lambda one: (-one.seconds, one.key))
        for number, statement in enumerate(by_weight):
            if number >= _MOST_STATEMENTS or self._clock.monotonic() > self._until:
                left = len(by_weight) - number
                self._notes.add(f"{left} statements were not looked at: out of time")
                break
            wishes.extend(self._look_at(statement))
        for reason, count in self._refused.items():
            said = "1 statement was" if count == 1 else f"{count} statements were"
            self._notes.add(f"{said} not looked at: {reason}")
        keys = attempt(
            self._connection, self._notes, "foreign keys are", lambda: list(self._foreign_keys())
        )
        wishes.extend(keys or ())
        return IndexReport(
            database=self._name,
            advice=merge(self._connection.dialect, wishes),
            waste=waste(self._connection, self._notes),
            server=tuple(self._server),
            notes=self._notes.all(),
        )

    def _prepare(self) -> None:
        if self._is_postgresql:
            postgresql.prepare(self._connection, timeout=_LONGEST_QUESTION)
        elif not self._is_copy:
            self._connection.exec_driver_sql(OURS + "PRAGMA query_only = ON")
            self._connection.exec_driver_sql(OURS + "PRAGMA busy_timeout = 200")

    def _look_at(self, slow: SlowStatement) -> Iterator[Wish]:
        try:
            yield from self._wishes(slow)
        except SQLAlchemyError as error:
            self._notes.add(f"{slow.key} was not looked at: {tell(error)}")
        except Exception as error:  # noqa: BLE001 - a tree may hold constructs of anybody
            self._faults.note("index advice for a statement", error)
            self._notes.add(f"{slow.key} was not looked at: {tell(error)}")

    def _wishes(self, slow: SlowStatement) -> Iterator[Wish]:
        refused = is_explainable(self._connection.dialect.name, slow.driver_sql)
        if refused is not None:
            self._refused[refused] += 1
            return
        ask = f"the plan of {slow.key} is"
        plan = attempt(
            self._connection,
            self._notes,
            ask,
            lambda: explain_as_far(self._connection, slow.driver_sql, slow.parameters),
        )
        if plan is None:
            return
        if isinstance(plan, NoPlan):
            self._notes.add(f"{slow.key} was not looked at: {plan.reason}")
            return
        if self._is_postgresql:
            self._server.append(server_figures(self._connection, slow.key, plan.query_id))
        choices = self._choices(slow, plan)
        if not choices:
            return
        if self._proofs is None:
            for choice in choices:
                yield from self._unproven(slow, choice, _NOT_ASKED)
            return
        yield from self._proven(slow, choices, self._proofs)

    def _choices(self, slow: SlowStatement, plan: Plan) -> list[Choice]:
        found = None
        if slow.clause is not None:
            found = accesses(core_of(slow.clause, self._engine.dialect))
        if found is None:
            self._notes.add(f"{slow.key} is plain text: its columns are not known")
            return []
        scanned = [access for access in found if is_scanned(access, plan)]
        chosen = self._lacking(scanned)
        # Once an index serves the join, the table on its other side is read first, and in whole
        # if nothing finds its rows: the plan of today does not show that yet.
        beside = {
            id(one.other)
            for access, choice in chosen
            for one in access.conditions
            if one.kind == "join" and one.column.name == choice.columns[0]
        }
        others = [one for one in found if id(one.source) in beside and one not in scanned]
        unique = {
            (choice.table.schema, choice.table.name, choice.columns): choice
            for _, choice in (*chosen, *self._lacking(others))
        }
        return list(unique.values())

    def _lacking(self, found: Sequence[Access]) -> list[tuple[Access, Choice]]:
        choices = ((access, choose(access, self._statistics)) for access in found)
        return [
            (access, choice)
            for access, choice in choices
            if choice is not None and self._is_lacking(choice)
        ]

    def _is_lacking(self, choice: Choice) -> bool:
        table = choice.table
        there = self._catalogue.columns(table.name, table.schema)
        return there.issuperset(choice.columns) and not self._catalogue.covers_in_order(
            table.name, table.schema, choice.columns
        )

    def _proven(
        self, slow: SlowStatement, choices: list[Choice], proofs: ProofBook
    ) -> Iterator[Wish]:
        key = key_of(self._name, slow.key, choices)
        outcome = proofs.get(key)
        if outcome is None:
            outcome = self._outcome(slow, choices)
            proofs.keep(key, outcome)
        for place, choice in enumerate(choices):
            if place in outcome.refused:
                why = f"its trial failed: {outcome.refused[place]}"
                self._notes.add(_not_advised(slow, choice, why))
            elif outcome.failure is not None:
                yield from self._unproven(slow, choice, f"not proven: {outcome.failure}")
            elif place in outcome.used and outcome.gain >= LEAST_GAIN:
                yield Wish.of(choice, slow, gain=outcome.gain)
            else:
                self._notes.add(f"{slow.key} gains nothing from {_on(choice)}: it was tried")

    def _unproven(self, slow: SlowStatement, choice: Choice, proof: str) -> Iterator[Wish]:
        """Give the wish for what nobody tried, unless the values are too long for an index."""
        why = self._widths.too_wide(choice) if self._widths is not None else None
        if why is None:
            yield Wish.of(choice, slow, proof=proof)
        else:
            self._notes.add(_not_advised(slow, choice, why))

    def _outcome(self, slow: SlowStatement, choices: list[Choice]) -> Outcome:
        """Try the choices, and where one is refused the others without it."""
        refused: dict[int, str] = {}
        while len(refused) < len(choices):
            left = [one for place, one in enumerate(choices) if place not in refused]
            try:
                proof = self._try(slow, left)
            except (NotCopiedError, OutOfTimeError) as error:
                return Outcome(failure=str(error), refused=refused)
            except RefusedError as error:
                cause = error.__cause__ or error
                if is_passing(cause):
                    return Outcome(failure=tell(cause), refused=refused)
                refused[choices.index(error.choice)] = tell(cause)
            except Exception as error:  # noqa: BLE001 - whatever it is, the index is not proven
                if is_passing(error):
                    return Outcome(failure=tell(error), refused=refused)
                return Outcome(refused=dict.fromkeys(range(len(choices)), tell(error)) | refused)
            else:
                used = frozenset(place for place, one in enumerate(choices) if one in proof.used)
                return Outcome(used=used, gain=proof.gain, refused=refused)
        return Outcome(refused=refused)

    def _try(self, slow: SlowStatement, choices: list[Choice]) -> Proof:
        sql, parameters = slow.driver_sql, slow.parameters
        if self._is_postgresql:
            left = max(0.1, self._until - self._clock.monotonic())
            return prove_on_postgresql(
                self._engine, sql, parameters, choices, timeout=left, clock=self._clock
            )
        if self._copy is None:
            driver: Any = self._connection.connection.driver_connection
            self._copy = (
                driver if self._is_copy else self._kept.enter_context(copied(driver, self._clock))
            )
        dialect = self._connection.dialect
        return prove_on_copy(self._copy, dialect, sql, parameters, choices, self._clock)

    def _foreign_keys(self) -> Iterator[Wish]:
        for key in self._catalogue.unindexed_foreign_keys(None):
            rows = self._catalogue.rows(key.table, key.schema, self._statistics)
            if rows is None or rows >= FEWEST_ROWS:
                yield Wish.of_key(key, rows)
                continue
            self._notes.add(
                f"{key.table} ({', '.join(key.columns)}) is a foreign key without an index,"
                f" but {key.table} is small: {rows:,.0f} rows"
            )


def _on(choice: Choice) -> str:
    return f"an index on {choice.table.name} ({', '.join(choice.columns)})"


def _not_advised(slow: SlowStatement, choice: Choice, why: str) -> str:
    return f"{slow.key}: {_on(choice)} is not advised, {why}"
