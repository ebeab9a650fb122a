"""Queries on a schema with missing indexes, and the advice that each must get.

Written and committed before the advisor. The first fifteen are the judged ones: eight need an
index, seven must give none. The others widen them: joins, subqueries, composites, covered columns,
statements that no index of one table's columns helps.

`metadata` describes the tables, `fill(connection, rows)` gives them their rows: `rows` events,
a tenth as many users. Figures are spread by multiplication with a prime, so that no column follows
the order on disk. Every scenario holds for 20,000 events as for 200,000.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import attrs
from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    and_,
    cast,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    update,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.sql.expression import Executable

JUDGED: Final = 15
TINY_ROWS: Final = 20
COUNTRIES: Final = 60
CITIES: Final = 500
KINDS: Final = 50
START: Final = datetime(2026, 1, 1)  # noqa: DTZ001  a column without time zone
PRIME: Final = 7919

metadata = MetaData()

users = Table(
    "iusers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("email", String(80), nullable=False),
    Column("username", String(80), nullable=False),
    Column("city", String(40), nullable=False),
    Column("country_code", String(8), nullable=False),
    UniqueConstraint("email", name="uq_iusers_email"),
    Index("ix_iusers_country_code", "country_code"),
)
events = Table(
    "ievents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", ForeignKey("iusers.id"), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("status", String(8), nullable=False),
    Column("token", String(40), nullable=False),
    Column("session_id", Integer, nullable=False),
    Column("amount", Integer, nullable=False),
    Column("note", String(80), nullable=False),
    Column("created_at", DateTime, nullable=False),
    Column("reviewed_at", DateTime),
    Column("deleted_at", DateTime),
    Index("ix_ievents_session_id_kind", "session_id", "kind"),
)
tags = Table(
    "itags",
    metadata,
    Column("event_id", ForeignKey("ievents.id"), primary_key=True),
    Column("tag_id", Integer, primary_key=True),
)
tiny = Table(
    "itiny",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("label", String(20), nullable=False),
)

Advised = frozenset[tuple[str, tuple[str, ...]]]
"""Table and columns of every index that the advice names."""

NONE: Final[Advised] = frozenset()


@attrs.frozen(kw_only=True)
class IndexScenario:
    """One query: `right` holds every set of indexes that is a right answer to it."""

    name: str
    statement: Callable[[int], Executable]
    right: tuple[Advised, ...] = (NONE,)
    right_on_sqlite: tuple[Advised, ...] | None = None

    def is_right(self, advised: Advised, dialect: str) -> bool:
        """Say whether `advised` is one of the right answers on the dialect of that name."""
        if dialect == "sqlite" and self.right_on_sqlite is not None:
            return advised in self.right_on_sqlite
        return advised in self.right


def _events(*columns: str) -> Advised:
    return frozenset({("ievents", columns)})


def _users(*columns: str) -> Advised:
    return frozenset({("iusers", columns)})


def _since(rows: int, share: float) -> datetime:
    return START + timedelta(minutes=round(rows * (1 - share)))


_e = events.c
_u = users.c
_TOKEN = "token-123"
_other = events.alias("e")
_anonymous = events.alias()
_recent = select(events).where(_e.token == _TOKEN).cte("recent")
_per_user = (
    select(_e.user_id, func.count().label("n")).group_by(_e.user_id).having(func.count() > 1)
).subquery()

SCENARIOS: Final = (
    # --- the fifteen: eight that need an index
    IndexScenario(
        name="equality",
        statement=lambda _: select(events).where(_e.token == _TOKEN),
        right=(_events("token"),),
    ),
    IndexScenario(
        name="foreign_key",
        statement=lambda _: select(events).where(_e.user_id == 123),
        right=(_events("user_id"),),
    ),
    IndexScenario(
        name="equality_then_newest",
        statement=lambda _: (
            select(events).where(_e.user_id == 123).order_by(_e.created_at.desc()).limit(10)
        ),
        right=(_events("user_id", "created_at"), _events("user_id")),
    ),
    IndexScenario(
        name="two_equalities",
        statement=lambda _: select(events).where(_e.kind == "kind-7", _e.user_id == 123),
        right=(_events("user_id", "kind"), _events("user_id")),
    ),
    IndexScenario(
        name="range",
        statement=lambda rows: select(events).where(_e.created_at >= _since(rows, 0.005)),
        right=(_events("created_at"),),
    ),
    IndexScenario(
        name="join",
        statement=lambda _: (
            select(users.c.email, events)
            .join_from(users, events, _u.id == _e.user_id)
            .where(_u.id == 123)
        ),
        right=(_events("user_id"),),
    ),
    IndexScenario(
        name="in_list",
        statement=lambda _: select(events).where(_e.token.in_(["token-5", "token-77", "token-9"])),
        right=(_events("token"),),
    ),
    IndexScenario(
        name="newest",
        statement=lambda _: select(events).order_by(_e.created_at.desc()).limit(20),
        right=(_events("created_at"),),
    ),
    # --- and seven that need none
    IndexScenario(
        name="a_third_of_the_rows",
        statement=lambda _: select(events).where(_e.status == "paid"),
    ),
    IndexScenario(
        name="like_anywhere",
        statement=lambda _: select(events).where(_e.note.like("%77%")),
    ),
    IndexScenario(name="primary_key", statement=lambda _: select(events).where(_e.id == 123)),
    IndexScenario(
        name="unique",
        statement=lambda _: select(users).where(_u.email == "user123@example.org"),
    ),
    IndexScenario(
        name="tiny_table",
        statement=lambda _: select(tiny).where(tiny.c.label == "label-7"),
    ),
    IndexScenario(
        name="count_all",
        statement=lambda _: select(func.count()).select_from(events),
    ),
    IndexScenario(
        name="or_with_a_branch_that_scans",
        statement=lambda _: select(events).where(or_(_e.token == _TOKEN, _e.note.like("%77%"))),
    ),
    # --- more that need one
    IndexScenario(
        name="join_filtered_on_the_other_side",
        statement=lambda _: (
            select(events.c.amount).join(users, _u.id == _e.user_id).where(_u.city == "city-7")
        ),
        right=(_users("city") | _events("user_id"),),
    ),
    IndexScenario(
        name="join_with_a_condition_in_on",
        statement=lambda _: (
            select(users.c.email, events.c.amount)
            .select_from(
                users.outerjoin(events, and_(_u.id == _e.user_id, _e.kind == "kind-7")),
            )
            .where(_u.id == 123)
        ),
        right=(_events("user_id", "kind"), _events("user_id")),
    ),
    IndexScenario(
        name="correlated_exists",
        statement=lambda _: select(users).where(
            _u.city == "city-7",
            exists().where(_e.user_id == _u.id, _e.kind == "kind-7"),
        ),
        right=(
            _users("city") | _events("user_id", "kind"),
            _users("city") | _events("user_id"),
        ),
    ),
    IndexScenario(
        name="correlated_scalar",
        statement=lambda _: select(
            _u.id,
            select(func.count()).where(_e.user_id == _u.id).scalar_subquery().label("n"),
        ).where(_u.id == 123),
        right=(_events("user_id"),),
    ),
    IndexScenario(
        name="cte",
        statement=lambda _: select(_recent.c.id),
        right=(_events("token"),),
    ),
    IndexScenario(
        name="alias",
        statement=lambda _: select(_other).where(_other.c.token == _TOKEN),
        right=(_events("token"),),
    ),
    IndexScenario(
        name="anonymous_alias",
        statement=lambda _: select(_anonymous).where(_anonymous.c.token == _TOKEN),
        right=(_events("token"),),
    ),
    IndexScenario(
        name="update",
        statement=lambda _: update(events).where(_e.token == _TOKEN).values(amount=1),
        right=(_events("token"),),
    ),
    IndexScenario(
        name="delete",
        statement=lambda _: delete(tags).where(tags.c.tag_id == 77),
        right=(frozenset({("itags", ("tag_id",))}),),
    ),
    IndexScenario(
        name="between",
        statement=lambda rows: select(events).where(
            _e.created_at.between(_since(rows, 0.01), _since(rows, 0.005)),
        ),
        right=(_events("created_at"),),
    ),
    IndexScenario(
        name="equality_and_range",
        statement=lambda rows: select(events).where(
            _e.created_at >= _since(rows, 0.5),
            _e.user_id == 123,
        ),
        right=(_events("user_id", "created_at"), _events("user_id")),
    ),
    IndexScenario(
        name="rarely_null",
        statement=lambda _: select(events).where(_e.reviewed_at.is_(None)),
        right=(_events("reviewed_at"),),
    ),
    IndexScenario(
        name="or_on_one_column",
        statement=lambda _: select(events).where(or_(_e.token == "token-5", _e.token == _TOKEN)),
        right=(_events("token"),),
    ),
    IndexScenario(
        name="like_prefix",
        statement=lambda _: select(users).where(_u.username.like("name-777%")),
        right=(_users("username"),),
        right_on_sqlite=(NONE,),  # its LIKE folds case, which no plain index serves
    ),
    IndexScenario(
        name="union",
        statement=lambda _: (
            select(_e.id)
            .where(_e.token == _TOKEN)
            .union_all(select(_e.id).where(_e.user_id == 123))
        ),
        right=(_events("token") | _events("user_id"),),
    ),
    IndexScenario(
        name="nested_and",
        statement=lambda _: select(events).where(
            and_(_e.status == "paid", and_(_e.amount > 0, _e.token == _TOKEN)),
        ),
        right=(_events("token"), _events("token", "status")),
    ),
    IndexScenario(
        name="coarse_equality_then_newest",
        statement=lambda _: (
            select(events).where(_e.status == "paid").order_by(_e.created_at.desc()).limit(20)
        ),
        right=(_events("status", "created_at"), _events("created_at")),
    ),
    IndexScenario(
        name="second_column_of_a_key",
        statement=lambda _: select(tags).where(tags.c.tag_id == 77),
        right=(frozenset({("itags", ("tag_id",))}),),
    ),
    # --- more that need none
    IndexScenario(
        name="covered_by_a_prefix",
        statement=lambda _: select(events).where(_e.session_id == 77),
    ),
    IndexScenario(
        name="covered_by_a_composite",
        statement=lambda _: select(events).where(_e.kind == "kind-7", _e.session_id == 77),
    ),
    IndexScenario(
        name="covered_and_one_more",
        statement=lambda _: select(events).where(_e.session_id == 77, _e.amount == 3),
    ),
    IndexScenario(
        name="covered_plain",
        statement=lambda _: select(users.c.id).where(_u.country_code == "c-7"),
    ),
    IndexScenario(
        name="function_on_the_column",
        statement=lambda _: select(users).where(func.lower(_u.username) == "name-777"),
    ),
    IndexScenario(
        name="cast_of_the_column",
        statement=lambda _: select(events).where(cast(_e.user_id, String) == "77"),
    ),
    IndexScenario(
        name="text",
        statement=lambda _: text("SELECT * FROM ievents WHERE token = 'token-123'"),
    ),
    IndexScenario(
        name="not_equal",
        statement=lambda _: select(events).where(_e.token != _TOKEN),
    ),
    IndexScenario(
        name="not_in",
        statement=lambda _: select(events).where(_e.token.not_in(["token-5", _TOKEN])),
    ),
    IndexScenario(
        name="range_over_nearly_all",
        statement=lambda _: select(events).where(_e.amount >= 5),
    ),
    IndexScenario(
        name="nearly_always_null",
        statement=lambda _: select(events).where(_e.deleted_at.is_(None)),
    ),
    IndexScenario(name="everything", statement=lambda _: select(events)),
    IndexScenario(name="any_ten", statement=lambda _: select(events).limit(10)),
    IndexScenario(
        name="newest_by_primary_key",
        statement=lambda _: select(events).order_by(_e.id.desc()).limit(10),
    ),
    IndexScenario(
        name="groups",
        statement=lambda _: select(_e.status, func.count()).group_by(_e.status),
    ),
    IndexScenario(
        name="top_of_an_aggregate",
        statement=lambda _: (
            select(_e.kind, func.count().label("n"))
            .group_by(_e.kind)
            .order_by(func.count().desc())
            .limit(10)
        ),
    ),
    IndexScenario(
        name="computed_column_of_a_subquery",
        statement=lambda _: select(_per_user).where(_per_user.c.n > 5),
    ),
    IndexScenario(
        name="primary_keys",
        statement=lambda _: select(events).where(_e.id.in_([1, 2, 3])),
    ),
    IndexScenario(
        name="or_over_two_columns",
        statement=lambda _: select(events).where(or_(_e.status == "paid", _e.amount > 3)),
    ),
)


def _rows(rows: int) -> dict[Table, list[dict[str, object]]]:
    """Make the rows in Python; `_fill_postgresql` makes the same ones in the server."""
    of_users = rows // 10
    return {
        users: [
            {
                "id": i,
                "email": f"user{i}@example.org",
                "username": f"name-{i}",
                "city": f"city-{i * PRIME % CITIES}",
                "country_code": f"c-{i * PRIME % COUNTRIES}",
            }
            for i in range(1, of_users + 1)
        ],
        events: [
            {
                "id": i,
                "user_id": i * PRIME % of_users + 1,
                "kind": f"kind-{i * 31 % KINDS}",
                "status": ("new", "paid", "sent")[i % 3],
                "token": f"token-{i}",
                "session_id": i * 13 % (rows // 5),
                "amount": i * PRIME % 1000,
                "note": f"note number {i * PRIME % rows}",
                "created_at": START + timedelta(minutes=i * PRIME % rows),
                "reviewed_at": None if i % 500 == 0 else START + timedelta(minutes=i % 977),
                "deleted_at": START if i % 100 == 0 else None,
            }
            for i in range(1, rows + 1)
        ],
        tags: [{"event_id": i, "tag_id": i * PRIME % (of_users // 2)} for i in range(1, rows + 1)],
        tiny: [{"id": i, "label": f"label-{i}"} for i in range(1, TINY_ROWS + 1)],
    }


def _fill_postgresql(connection: Connection, rows: int) -> None:
    of_users = rows // 10
    minutes = "timestamp '2026-01-01' + make_interval(mins =>"
    for statement in (
        (
            f"INSERT INTO iusers SELECT i, 'user' || i || '@example.org', 'name-' || i,"
            f" 'city-' || i * {PRIME} % {CITIES}, 'c-' || i * {PRIME} % {COUNTRIES}"
            f" FROM generate_series(1, {of_users}) i"
        ),
        (
            f"INSERT INTO ievents SELECT i, (i::bigint * {PRIME} % {of_users} + 1)::int,"
            f" 'kind-' || i * 31 % {KINDS}, (ARRAY['new', 'paid', 'sent'])[i % 3 + 1],"
            f" 'token-' || i,"
            f" i * 13 % {rows // 5}, i::bigint * {PRIME} % 1000,"
            f" 'note number ' || i::bigint * {PRIME} % {rows},"
            f" {minutes} (i::bigint * {PRIME} % {rows})::int),"
            f" CASE WHEN i % 500 = 0 THEN NULL ELSE {minutes} i % 977) END,"
            f" CASE WHEN i % 100 = 0 THEN timestamp '2026-01-01' END"
            f" FROM generate_series(1, {rows}) i"
        ),
        (
            f"INSERT INTO itags SELECT i, i::bigint * {PRIME} % {of_users // 2}"
            f" FROM generate_series(1, {rows}) i"
        ),
        f"INSERT INTO itiny SELECT i, 'label-' || i FROM generate_series(1, {TINY_ROWS}) i",
    ):
        connection.execute(text(statement))
    for table in metadata.sorted_tables:
        connection.exec_driver_sql(f"ANALYZE {table.name}")


def fill(connection: Connection, rows: int) -> None:
    """Create the tables and give them `rows` events, inside the caller's transaction."""
    metadata.create_all(connection)
    if connection.dialect.name == "postgresql":
        _fill_postgresql(connection, rows)
        return
    for table, values in _rows(rows).items():
        connection.execute(insert(table), values)
