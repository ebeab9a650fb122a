"""Scenarios without an N+1: writes, batches, pages, retries and separate requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, delete, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import selectinload

from benchmarks._n_plus_one import scenarios_in, show, silent
from benchmarks._n_plus_one_rows import USERS
from benchmarks.n_plus_one_models import (
    Author,
    Order,
    Product,
    User,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

_IDS: Final = range(1, USERS + 1)
_REQUESTS: Final = "each is a request of its own"


@silent()
def write_bulk_insert(session: Session) -> None:
    session.execute(insert(Product), [{"name": f"p{n}", "price": n} for n in range(50)])
    session.commit()


@silent()
def write_bulk_insert_in_pages_with_returning(session: Session) -> None:
    rows = [{"name": f"p{n}", "price": n} for n in range(800)]
    statement = insert(Product).returning(Product.id)
    options = {"insertmanyvalues_page_size": 100}
    show(session.scalars(statement, rows, execution_options=options).all())
    session.commit()


@silent()
def write_flush_of_many_rows(session: Session) -> None:
    session.add_all([Product(name=f"p{n}", price=n) for n in range(50)])
    session.flush()


@silent()
def write_flush_of_each_row(session: Session) -> None:
    for n in range(12):
        session.add(Product(name=f"p{n}", price=n))
        session.flush()


@silent()
def write_flush_of_many_changes(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        user.name = user.name.upper()
    session.commit()


@silent()
def write_updates_in_a_loop(session: Session) -> None:
    for user_id in _IDS:
        session.execute(update(User).where(User.id == user_id).values(name=f"u{user_id}"))
    session.commit()


@silent()
def write_text_updates_in_a_loop(session: Session) -> None:
    query = text("UPDATE users SET name = 'same' WHERE id = :id")
    for user_id in _IDS:
        session.execute(query, {"id": user_id})
    session.commit()


@silent()
def write_updates_with_returning_in_a_loop(session: Session) -> None:
    for user_id in _IDS:
        change = update(Product).where(Product.id == user_id).values(price=Product.price + 1)
        show(session.execute(change.returning(Product.price)).scalar_one())
    session.commit()


@silent()
def write_deletes_in_a_loop(session: Session) -> None:
    for n in _IDS:
        session.execute(delete(Product).where(Product.name == f"gone {n}"))
    session.commit()


@silent(takes="connection")
def write_executemany(connection: Connection) -> None:
    change = update(User.__table__).where(User.__table__.c.id == bindparam("key"))
    rows = [{"key": user_id, "name": f"u{user_id}"} for user_id in _IDS]
    connection.execute(change.values(name=bindparam("name")), rows)
    connection.commit()


@silent()
def write_in_savepoints(session: Session) -> None:
    for n in range(12):
        with session.begin_nested():
            session.add(Product(name=f"p{n}", price=n))
    session.commit()


@silent()
def autoflush_before_one_read(session: Session) -> None:
    for n in range(12):
        session.add(Product(name=f"p{n}", price=n))
    show(session.scalars(select(Product).where(Product.name == "p1")).all())


def _batches(ids: Sequence[int]) -> list[Sequence[int]]:
    return [ids[start : start + 6] for start in range(0, len(ids), 6)]


@silent("each statement reads a batch of rows: this is how an N+1 is cured by hand")
def batches_of_ids(session: Session) -> None:
    for some in _batches(session.scalars(select(Order.id)).all()):
        show(session.scalars(select(Order).where(Order.id.in_(some))).all())


@silent("each statement reads a batch of rows and their children: two queries for six parents")
def batches_of_ids_with_eager_children(session: Session) -> None:
    for some in _batches(session.scalars(select(Order.id)).all()):
        query = select(Order).where(Order.id.in_(some)).options(selectinload(Order.items))
        show([order.items for order in session.scalars(query).all()])


@silent("an OFFSET that moves is a pager, which asks for many rows at a time on purpose")
def pages_by_offset(session: Session) -> None:
    page, size = 0, 5
    while rows := session.scalars(
        select(Order).order_by(Order.id).limit(size).offset(page * size)
    ).all():
        show(rows)
        page += 1


@silent()
def rows_in_partitions(session: Session) -> None:
    result = session.scalars(select(Order).execution_options(yield_per=5))
    for rows in result.partitions():
        show(rows)


@silent("the statement fails each time: nothing was read, and nothing could be read at once")
def retries_after_an_error(session: Session) -> None:
    for _ in range(6):
        try:
            show(session.scalar(select(func.no_such_function(1))))
        except DBAPIError:
            session.rollback()
    show(session.scalar(select(func.count()).select_from(User)))


@silent(_REQUESTS, times=8)
def requests_that_get_one_row(session: Session) -> None:
    show(session.get(User, 1))


@silent(_REQUESTS, times=8)
def requests_that_get_one_parent_and_its_children(session: Session) -> None:
    show(session.get_one(User, 1).orders)


@silent(_REQUESTS, times=8)
def requests_that_read_two_parents(session: Session) -> None:
    for user in session.scalars(select(User).where(User.id < 3)).all():
        show(user.orders)


@silent(_REQUESTS, times=8)
def requests_that_read_an_expired_object(session: Session) -> None:
    author = session.get_one(Author, 1)
    session.commit()
    show(author.name)


SCENARIOS: Final = scenarios_in(globals())
