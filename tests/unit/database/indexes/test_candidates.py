"""What SQLAlchemy's tree of a statement tells about the columns that it looks for."""

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.orm import Session, aliased, joinedload, registry, relationship, selectinload

from hhs_perf.database.indexes.candidates import accesses, core_of
from tests.slow_statements import slow_statement

metadata = MetaData()
parents = Table(
    "parents", metadata, Column("id", Integer, primary_key=True), Column("name", String)
)
children = Table(
    "children",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("parent_id", ForeignKey("parents.id")),
    Column("a", String),
    Column("b", Integer),
)


class Parent:
    pass


class Child:
    pass


mapping = registry()
mapping.map_imperatively(
    Parent,
    parents,
    properties={"children": relationship(Child, back_populates="parent")},
)
mapping.map_imperatively(
    Child,
    children,
    properties={"parent": relationship(Parent, back_populates="children")},
)


@pytest.fixture
def engine():
    made = create_engine("sqlite://")
    yield made
    made.dispose()


def told(statement, engine):
    found = accesses(core_of(statement, engine.dialect))
    return None if found is None else [brief(one) for one in found]


def brief(access):
    said = {f"{one.column.name} {one.kind}" for one in access.conditions}
    return (access.table.name, said, tuple(column.name for column in access.sort))


a, b = children.c.a, children.c.b


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (a == "x", {"a equality"}),
        (literal("x") == a, {"a equality"}),
        (literal(5) < b, {"b range"}),
        (a.in_(["x", "y"]), {"a equality"}),
        (a.is_(None), {"a equality"}),
        (b.between(1, 2), {"b range"}),
        (a.like("x%"), {"a prefix"}),
        (a.startswith("x"), {"a prefix"}),
        (or_(b == 1, b == 2, b.in_([3])), {"b equality"}),
        (a == func.upper("x"), {"a equality"}),
        (b == select(func.max(parents.c.id)).scalar_subquery(), {"b join"}),
        (b == children.c.id, set()),
        (a != "x", set()),
        (a.is_not(None), set()),
        (~(a == "x"), set()),
        (a.like("%x"), set()),
        (a.like("_x"), set()),
        (a.ilike("x%"), set()),
        (func.lower(a) == "x", set()),
        (a.collate("NOCASE") == "x", set()),
        (b + 1 == 2, set()),
        (or_(a == "x", b == 1), set()),
        (or_(b == 1, b > 2), set()),
        (tuple_(a, b).in_([("x", 1)]), set()),
        (text("a = 'x'"), set()),
    ],
)
def test_conditions(engine, where, expected):
    """Bare columns compared with values; nothing that an index of columns cannot serve."""
    found = [
        said for name, said, _ in told(select(children).where(where), engine) if name == "children"
    ]
    assert (found[0] if found else set()) == expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (select(children).order_by(a).limit(5), ("a",)),
        (select(children).order_by(a.desc(), b.desc()).limit(5), ("a", "b")),
        (select(children).order_by(a, b.desc()).limit(5), None),
        (select(children).order_by(a.desc().nulls_last()).limit(5), None),
        (select(children).order_by(a), None),
        (select(children).order_by(func.lower(a)).limit(5), None),
        (select(a).group_by(a).order_by(a).limit(5), None),
        (select(a).distinct().order_by(a).limit(5), None),
    ],
)
def test_orders(engine, statement, expected):
    """Only where the order decides which rows come."""
    found = told(statement, engine)
    assert (found[0][2] if found else None) == expected


def test_statements_of_the_orm_are_taken_as_they_are_sent(engine):
    """Entities, aliases, relationships and eager loads are tables in the end."""
    other = aliased(Child)
    assert told(select(Child).where(Child.a == "x"), engine) == [("children", {"a equality"}, ())]
    assert told(select(other).where(other.a == "x"), engine) == [("children", {"a equality"}, ())]
    assert told(select(Parent).where(Parent.children.any(Child.a == "x")), engine) == [
        ("children", {"a equality", "parent_id join"}, ())
    ]
    eager = select(Child).options(joinedload(Child.parent)).where(Child.a == "x")
    assert ("children", {"a equality", "parent_id join"}, ()) in told(eager, engine)


@pytest.mark.parametrize("load", ["lazy", "selectin"])
def test_loads_of_relationships_ask_for_the_foreign_key(engine, load):
    """They are the statements that lack an index most often."""
    metadata.create_all(engine)
    with Session(engine) as session:
        session.execute(parents.insert(), [{"id": 1}])
        session.execute(children.insert(), [{"id": 1, "parent_id": 1}])
        session.commit()
    compiled = []

    def keep(_connection, _cursor, _sql, _parameters, context, _many):
        compiled.append(context.compiled.statement)

    options = (selectinload(Parent.children),) if load == "selectin" else ()
    with Session(engine) as session:
        event.listen(engine, "before_cursor_execute", keep)
        [parent] = session.scalars(select(Parent).options(*options))
        assert len(parent.children) == 1
    [(_, said, _)] = told(compiled[-1], engine)
    assert said == {"parent_id equality"}


def test_text_has_no_tree(engine):
    """Nothing is guessed from plain SQL."""
    assert told(text("SELECT * FROM children WHERE a = 'x'"), engine) is None
    assert slow_statement(engine, text("SELECT 1")).clause is not None
