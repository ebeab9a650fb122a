"""Scenarios: statements that the application itself sends again and again."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Final

from sqlalchemy import exists, func, select, text
from sqlalchemy.exc import LegacyAPIWarning
from sqlalchemy.orm import Session

from benchmarks._n_plus_one import finds, loop, scenarios_in, show
from benchmarks._n_plus_one_rows import AUTHORS, USERS
from benchmarks.n_plus_one_models import (
    Order,
    Product,
    Shelf,
    User,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_IDS: Final = range(1, USERS + 1)


@finds(loop(USERS))
def loop_of_get(session: Session) -> None:
    for user_id in _IDS:
        show(session.get(User, user_id))  # N+1


@finds(loop(USERS))
def loop_of_scalar(session: Session) -> None:
    for user_id in _IDS:
        show(session.scalar(select(User).where(User.id == user_id)))  # N+1


@finds(loop(USERS))
def loop_of_lookups_by_a_natural_key(session: Session) -> None:
    for n in _IDS:
        email = f"user{n}@shop.example"
        show(session.scalars(select(User.name).where(User.email == email)).one())  # N+1


@finds(loop(USERS))
def loop_of_get_or_create(session: Session) -> None:
    for n in _IDS:
        name = f"product {n * 5}"
        product = session.scalar(select(Product).where(Product.name == name))  # N+1
        if product is None:
            session.add(Product(name=name, price=0))
    session.flush()


@finds(loop(USERS))
def loop_in_a_comprehension(session: Session) -> list[Order | None]:
    query = select(Order).order_by(Order.id.desc()).limit(1)
    return [session.scalar(query.where(Order.user_id == n)) for n in _IDS]  # N+1


@finds(loop(USERS))
def loop_of_counts(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        query = select(func.count()).select_from(Order).where(Order.user_id == user.id)
        show(user.name, session.scalar(query))  # N+1


@finds(loop(USERS))
def loop_of_counts_by_two_states(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        query = select(func.count(Order.id)).where(
            Order.user_id == user.id, Order.status.in_(("open", "paid"))
        )
        show(user.name, session.scalar(query))  # N+1


@finds(loop(USERS))
def loop_of_exists(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        query = select(exists().where(Order.user_id == user.id, Order.status == "open"))
        show(session.scalar(query))  # N+1


@finds(loop(USERS))
def loop_of_the_latest_three(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        latest = select(Order).where(Order.user_id == user.id).order_by(Order.id.desc()).limit(3)
        show(session.scalars(latest).all())  # N+1


def _user_by_id(session: Session, user_id: int) -> User | None:
    return session.scalar(select(User).where(User.id == user_id))  # N+1


@finds(loop(USERS, function=_user_by_id))
def loop_around_a_helper(session: Session) -> None:
    for user_id in _IDS:
        show(_user_by_id(session, user_id))


@finds(loop(USERS), takes="connection")
def loop_of_core_selects(connection: Connection) -> None:
    for user_id in _IDS:
        query = select(User.name).where(User.id == user_id)
        show(connection.execute(query).scalar_one())  # N+1


@finds(loop(USERS), takes="connection")
def loop_of_text(connection: Connection) -> None:
    query = text("SELECT count(*) FROM orders WHERE user_id = :user_id")
    for user_id in _IDS:
        show(connection.execute(query, {"user_id": user_id}).scalar_one())  # N+1


@finds(loop(USERS))
def loop_of_text_in_a_session(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        query = text("SELECT city FROM addresses WHERE user_id = :user_id")
        show(session.execute(query, {"user_id": user.id}).all())  # N+1


@finds(loop(USERS), takes="connection")
def loop_of_driver_statements_with_literals(connection: Connection) -> None:
    for user_id in _IDS:
        query = f"SELECT name FROM users WHERE id = {user_id}"
        show(connection.exec_driver_sql(query).scalar_one())  # N+1


@finds(loop(USERS))
def loop_of_legacy_get(session: Session) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LegacyAPIWarning)
        for user_id in _IDS:
            show(session.query(User).get(user_id))  # N+1


@finds(loop(USERS))
def loop_of_legacy_first(session: Session) -> None:
    for user_id in _IDS:
        show(session.query(User).filter(User.id == user_id).first())  # N+1


@finds(loop(USERS))
def loop_of_legacy_count(session: Session) -> None:
    for user in session.query(User).all():
        show(session.query(Order).filter_by(user_id=user.id).count())  # N+1


@finds(loop(USERS))
def loop_of_merges(session: Session) -> None:
    detached = session.scalars(select(User)).all()
    session.expunge_all()
    for user in detached:
        session.merge(user)  # N+1


@finds(loop(AUTHORS))
def loop_of_dynamic_collections(session: Session) -> None:
    for shelf in session.scalars(select(Shelf)).all():
        show(shelf.books.all())  # N+1


@finds(loop(AUTHORS))
def loop_of_write_only_collections(session: Session) -> None:
    for shelf in session.scalars(select(Shelf)).all():
        show(session.scalars(shelf.reviews.select()).all())  # N+1


@finds(loop(USERS))
def loop_of_checks_before_updates(session: Session) -> None:
    first = session.get_one(Order, 1)
    for order_id in _IDS:
        first.total += session.scalar(select(Order.total).where(Order.id == order_id)) or 0  # N+1
        session.flush()


@finds(loop(USERS), takes="engine")
def loop_with_a_session_each(engine: Engine) -> None:
    for user_id in _IDS:
        with Session(engine) as session:
            show(session.get(User, user_id))  # N+1


def _got_in_a_thread(engine: Engine, user_id: int) -> None:
    with Session(engine) as session:
        show(session.scalar(select(User.name).where(User.id == user_id)))  # N+1


@finds(loop(USERS, function=_got_in_a_thread), takes="engine")
def loop_in_threads_of_one_scope(engine: Engine) -> None:
    with ThreadPoolExecutor(3) as pool:
        for user_id in _IDS:
            pool.submit(copy_context().run, _got_in_a_thread, engine, user_id)


SCENARIOS: Final = scenarios_in(globals())
