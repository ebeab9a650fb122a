"""Scenarios: columns that are loaded for one object after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import select
from sqlalchemy.orm import defer, joinedload, load_only

from benchmarks._n_plus_one import finds, lazy, refresh, scenarios_in, show, silent
from benchmarks._n_plus_one_rows import CARDS, ENGINEERS, USERS
from benchmarks.n_plus_one_models import (
    CardPayment,
    Employee,
    Engineer,
    Order,
    Payment,
    Product,
    User,
)

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@finds(refresh(USERS, "undefer(User.bio)"))
def refresh_deferred_column(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        show(user.bio)  # N+1


@finds(refresh(USERS, "undefer"))
def refresh_deferred_group(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        show(user.phone, user.street)  # N+1


@finds(refresh(USERS, "undefer(User.order_count)"))
def refresh_deferred_column_property(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        show(user.order_count)  # N+1


@finds(refresh(USERS, "User.email"))
def refresh_column_left_out_by_load_only(session: Session) -> None:
    for user in session.scalars(select(User).options(load_only(User.name))).all():
        show(user.name, user.email)  # N+1


@finds(refresh(USERS, "User.email"))
def refresh_column_deferred_by_the_query(session: Session) -> None:
    for user in session.scalars(select(User).options(defer(User.email))).all():
        show(user.email)  # N+1


@finds(refresh(USERS, "joinedload(Order.user).undefer(User.bio)"))
def refresh_deferred_column_of_an_eager_parent(session: Session) -> None:
    for order in session.scalars(select(Order).options(joinedload(Order.user))).all():
        if order.user is not None:
            show(order.user.bio)  # N+1


@finds(refresh(USERS, "expire_on_commit=False"))
def refresh_expired_by_a_commit(session: Session) -> None:
    users = session.scalars(select(User)).all()
    session.commit()
    for user in users:
        show(user.name)  # N+1


@finds(refresh(8, "expire_on_commit=False"))
def refresh_of_what_was_just_made(session: Session) -> list[int]:
    made = [Product(name=f"new {n}", price=n) for n in range(8)]
    session.add_all(made)
    session.commit()
    return [product.id for product in made]  # N+1


@finds(refresh(USERS, "expire_on_commit=False"), lazy(USERS, "selectinload(User.orders)"))
def refresh_and_lazy_after_a_commit(session: Session) -> None:
    users = session.scalars(select(User)).all()
    session.commit()
    for user in users:
        show(user.orders)  # N+1


@finds(refresh(USERS, None))
def refresh_expired_by_a_rollback(session: Session) -> None:
    users = session.scalars(select(User)).all()
    session.rollback()
    for user in users:
        show(user.name)  # N+1


@finds(refresh(USERS, None))
def refresh_expired_by_hand(session: Session) -> None:
    users = session.scalars(select(User)).all()
    session.expire_all()
    for user in users:
        show(user.name)  # N+1


@finds(refresh(USERS, None))
def refresh_called_in_a_loop(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        session.refresh(user)  # N+1


@finds(refresh(ENGINEERS, "polymorphic"))
def refresh_columns_of_a_joined_subclass(session: Session) -> None:
    for employee in session.scalars(select(Employee)).all():
        if isinstance(employee, Engineer):
            show(employee.language)  # N+1


@finds(refresh(CARDS, "polymorphic"))
def refresh_columns_of_a_single_table_subclass(session: Session) -> None:
    for payment in session.scalars(select(Payment)).all():
        if isinstance(payment, CardPayment):
            show(payment.card_number)  # N+1


@silent()
def refresh_of_one_object(session: Session) -> None:
    user = session.get_one(User, 1)
    session.refresh(user)
    show(user.name)


@silent()
def refresh_of_one_object_after_a_commit(session: Session) -> None:
    user = session.get_one(User, 1)
    user.name = "renamed"
    session.commit()
    show(user.name, user.email)


@silent()
def refresh_of_two_objects_after_a_commit(session: Session) -> None:
    users = session.scalars(select(User).where(User.id < 3)).all()
    session.commit()
    for user in users:
        show(user.name)


@silent()
def refresh_of_one_deferred_column(session: Session) -> None:
    users = session.scalars(select(User)).all()
    show(users[0].bio, [user.name for user in users])


@silent()
def refresh_of_all_in_one_statement(session: Session) -> None:
    users = session.scalars(select(User)).all()
    session.commit()
    session.scalars(select(User)).all()
    show([user.name for user in users])


SCENARIOS: Final = scenarios_in(globals())
