"""One statement is one shape, and says what it is for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    String,
    Table,
    create_engine,
    event,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session, registry, relationship, selectinload
from sqlalchemy.pool import StaticPool

from hhs_perf.database.seen.shapes import Shape, Shapes

MAPPED = registry()
PARENTS = Table(
    "parents", MAPPED.metadata, Column("id", Integer, primary_key=True), Column("name", String)
)
CHILDREN = Table(
    "children",
    MAPPED.metadata,
    Column("id", Integer, primary_key=True),
    Column("parent_id", ForeignKey("parents.id")),
)


class Parent:
    pass


class Child:
    pass


MAPPED.map_imperatively(Parent, PARENTS, properties={"children": relationship(Child)})
MAPPED.map_imperatively(Child, CHILDREN, properties={"parent": relationship(Parent, viewonly=True)})


class Seeing:
    """An engine, and the shapes of what it executes."""

    def __init__(self) -> None:
        self.shapes = Shapes()
        self.seen: list[Shape] = []
        self.engine = create_engine("sqlite://", poolclass=StaticPool)
        MAPPED.metadata.create_all(self.engine)
        with self.engine.begin() as connection:
            connection.execute(insert(PARENTS), [{"name": "x"} for _ in range(3)])
            connection.execute(insert(CHILDREN), [{"parent_id": 1}, {"parent_id": 2}])
        event.listen(self.engine, "do_execute", self._look)
        event.listen(self.engine, "do_executemany", self._look)

    def _look(self, _cursor: Any, sql: str, _parameters: Any, context: Any) -> None:
        self.seen.append(self.shapes.of(context, sql))

    def roles(self) -> list[str]:
        return [shape.role for shape in self.seen]

    def keys(self) -> set[str]:
        return {shape.key for shape in self.seen}


@pytest.fixture
def seeing() -> Iterator[Seeing]:
    seeing = Seeing()
    yield seeing
    seeing.engine.dispose()


def test_any_number_of_values_is_one_shape(seeing: Seeing):
    """400 lengths of an IN list, compiled once or anew each time."""
    with seeing.engine.connect() as connection:
        for arity in range(1, 401):
            query = select(PARENTS.c.id).where(PARENTS.c.id.in_(range(arity)))
            connection.execute(query).all()
            anew = connection.execution_options(compiled_cache=None if arity % 2 else {})
            anew.execute(query).all()
    assert len(seeing.keys()) == 1
    assert seeing.seen[0].key.startswith("SELECT parents ")
    assert seeing.seen[0].tables == ("parents",)


def test_driver_sql_with_values_in_it_is_one_shape(seeing: Seeing):
    """Literals are not looked at."""
    with seeing.engine.connect() as connection:
        for number in range(50):
            connection.exec_driver_sql(f"SELECT id FROM parents WHERE id = {number}").all()
            connection.execute(text(f"SELECT id FROM parents WHERE id = {number}")).all()
    assert len(seeing.keys()) == 1


def test_roles_say_what_a_statement_is_for(seeing: Seeing):
    """A read, a lazy load, an eager load, a refresh, a write."""
    with Session(seeing.engine) as session:
        parents = session.scalars(select(Parent).order_by(PARENTS.c.id)).all()
        assert len(parents[0].children) == 1
        session.scalars(
            select(Parent).options(selectinload(Parent.children)).where(PARENTS.c.id == 3)
        ).all()
        session.refresh(parents[0])
        parents[1].name = "y"
        session.commit()
        assert parents[1].name == "y"
        session.get(Parent, 3, populate_existing=True)
    assert seeing.roles() == [
        *("read", "loader"), *("read", "loader"), "refresh", "other", "refresh", "read",
    ]  # fmt: skip


def test_one_text_may_have_several_roles(seeing: Seeing):
    """`get()` sends what a refresh sends: the roles are told apart though the key is the same."""
    with Session(seeing.engine) as session:
        parent = session.get(Parent, 1)
        session.expire(parent)
        assert parent.name == "x"
    assert len(seeing.keys()) == 1
    assert seeing.roles() == ["read", "refresh"]


@pytest.mark.parametrize(
    ("statement", "role", "has_rows"),
    [
        (select(PARENTS.c.id), "read", True),
        (select(func.count()).select_from(PARENTS), "read", True),
        (insert(PARENTS).values(name="x"), "other", False),
        (insert(PARENTS).values(name="x").returning(PARENTS.c.id), "other", True),
        (update(PARENTS).values(name="x"), "other", False),
        (text("SELECT 1"), "read", None),
        (text("WITH a AS (SELECT 1) SELECT * FROM a"), "read", None),
        (text("DELETE FROM parents"), "other", None),
        (text("PRAGMA user_version"), "other", None),
    ],
)
def test_statements_say_whether_they_return_rows(
    statement: Any, role: str, has_rows: bool | None, seeing: Seeing
):
    """None where only the cursor can tell."""
    with seeing.engine.connect() as connection:
        connection.execute(statement)
    assert (seeing.roles(), seeing.seen[0].has_rows) == ([role], has_rows)


def test_writing_with_is_no_read():
    """PostgreSQL writes in common table expressions."""
    shapes = Shapes()
    engine = create_engine("sqlite://")
    for sql in (
        "WITH moved AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM moved",
        "WITH a AS (SELECT 1) UPDATE b SET c = 2",
    ):
        assert shapes.of_text(sql, engine.dialect).role == "other"
    engine.dispose()


def test_texts_that_are_remembered_are_bounded(engine_dialect: Any):
    """And long ones are not remembered at all."""
    shapes = Shapes()
    for number in range(10_000):
        shapes.of_text(f"SELECT {number}", engine_dialect)
    shapes.of_text("SELECT " + "1, " * 1000, engine_dialect)
    [texts] = shapes._texts.values()
    assert len(texts) <= 4096
    assert max(map(len, texts)) <= 20_000
    assert sum(map(len, texts)) <= 4_000_000


@pytest.fixture
def engine_dialect() -> Iterator[Any]:
    engine = create_engine("sqlite://")
    yield engine.dialect
    engine.dispose()


def test_a_default_that_asks_the_database_is_a_statement_of_its_own():
    """It runs in the midst of the INSERT and must not be taken for it."""
    seeing = Seeing()
    table = Table(
        "t",
        type(MAPPED.metadata)(),
        Column(
            "id",
            Integer,
            primary_key=True,
            default=select(func.max(PARENTS.c.id) + 10).scalar_subquery(),
        ),
        Column("name", String),
        implicit_returning=False,
    )
    table.create(seeing.engine)
    with seeing.engine.begin() as connection:
        seeing.seen.clear()
        connection.execute(insert(table).values(name="x"))
    seeing.engine.dispose()
    assert seeing.roles() == ["read", "other"]
    assert len(seeing.keys()) == 2


def test_long_statements_are_shown_in_part():
    """The rest makes no row of a page."""
    shape = Shape("SELECT " + "a, " * 3000, "read", has_rows=True)
    assert len(shape.sql) == 4001
