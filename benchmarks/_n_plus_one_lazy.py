"""Scenarios: relationships that are loaded for one parent after the other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Final

from jinja2 import Environment
from sqlalchemy import select
from sqlalchemy.orm import Session, aliased, immediateload, joinedload, selectinload

from benchmarks._n_plus_one import Expected, finds, lazy, scenarios_in, show
from benchmarks._n_plus_one_rows import (
    AUTHORS,
    CARDS,
    CATEGORIES,
    ENGINEERS,
    HOBBIES,
    ORDERS,
    ORDERS_OF_FIRST,
    PRODUCTS,
    ROOTS,
    TAGS,
    USERS,
)
from benchmarks.n_plus_one_models import (
    Author,
    CardPayment,
    Category,
    Employee,
    Engineer,
    Hobby,
    Item,
    Order,
    Payment,
    Profile,
    User,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Engine

_ORDERS: Final = "selectinload(User.orders)"
_ITEMS: Final = "selectinload(User.orders).selectinload(Order.items)"
_PRODUCT: Final = f"{_ITEMS}.joinedload(Item.product)"


@finds(lazy(USERS, _ORDERS))
def lazy_one_to_many(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        show(user.name, len(user.orders))  # N+1


@finds(lazy(USERS, "joinedload(Order.user)"))
def lazy_many_to_one(session: Session) -> None:
    for order in session.scalars(select(Order)).all():
        show(order.user)  # N+1


@finds(lazy(USERS, "joinedload(User.profile)"))
def lazy_one_to_one(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        show(user.profile)  # N+1


@finds(lazy(USERS, "joinedload(Profile.user)"))
def lazy_one_to_one_reverse(session: Session) -> None:
    for profile in session.scalars(select(Profile)).all():
        show(profile.user.name)  # N+1


@finds(lazy(USERS, "selectinload(User.hobbies)"))
def lazy_many_to_many(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        show(user.hobbies)  # N+1


@finds(lazy(HOBBIES, "selectinload(Hobby.users)"))
def lazy_many_to_many_reverse(session: Session) -> None:
    for hobby in session.scalars(select(Hobby)).all():
        show(hobby.users)  # N+1


@finds(lazy(USERS, "selectinload(User.open_orders)"))
def lazy_own_join_condition(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        show(user.open_orders)  # N+1


@finds(lazy(ROOTS, "selectinload(Category.children)"))
def lazy_tree_one_level(session: Session) -> None:
    for root in session.scalars(select(Category).where(Category.parent_id.is_(None))).all():
        show(root.children)  # N+1


def _walk(category: Category) -> None:
    for child in category.children:  # N+1
        _walk(child)


@finds(lazy(CATEGORIES, "selectinload(Category.children", function=_walk))
def lazy_tree_recursive(session: Session) -> None:
    for root in session.scalars(select(Category).where(Category.parent_id.is_(None))).all():
        _walk(root)


@finds(lazy(USERS, _ORDERS, "# N+1 orders"), lazy(ORDERS, _ITEMS, "# N+1 items"))
def lazy_nested_two_levels(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        for order in user.orders:  # N+1 orders
            show(order.items)  # N+1 items


@finds(
    lazy(USERS, _ORDERS, "# N+1 orders"),
    lazy(ORDERS, _ITEMS, "# N+1 items"),
    lazy(PRODUCTS, _PRODUCT, "# N+1 product"),
)
def lazy_nested_three_levels(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        for order in user.orders:  # N+1 orders
            for item in order.items:  # N+1 items
                show(item.product)  # N+1 product


@finds(lazy(ORDERS, _ITEMS))
def lazy_below_an_eager_level(session: Session) -> None:
    for user in session.scalars(select(User).options(selectinload(User.orders))).all():
        for order in user.orders:
            show(order.items)  # N+1


@finds(lazy(ORDERS, _ITEMS.replace("selectinload(User", "joinedload(User")))
def lazy_below_a_joined_level(session: Session) -> None:
    query = select(User).options(joinedload(User.orders))
    for user in session.scalars(query).unique().all():
        for order in user.orders:
            show(order.items)  # N+1


@finds(lazy(ORDERS_OF_FIRST, _ITEMS))
def lazy_below_one_parent(session: Session) -> None:
    user = session.get_one(User, 1)
    for order in user.orders:
        show(order.items)  # N+1


@finds(lazy(USERS, "joinedload(Order.user)"))
def lazy_after_a_join_that_fills_nothing(session: Session) -> None:
    for order in session.scalars(select(Order).join(Order.user).order_by(User.name)).all():
        show(order.user)  # N+1


@finds(lazy(PRODUCTS, "joinedload(Item.product)"))
def lazy_in_rows_of_several_entities(session: Session) -> None:
    for item, status in session.execute(select(Item, Order.status).join(Item.order)).all():
        show(item.product, status)  # N+1


@finds(lazy(USERS, ".orders)"))
def lazy_of_an_aliased_entity(session: Session) -> None:
    buyer = aliased(User)
    for user in session.scalars(select(buyer)).all():
        show(user.orders)  # N+1


@finds(
    lazy(USERS, _ORDERS, "# N+1 orders"),
    lazy(USERS, "selectinload(User.addresses)", "# N+1 addresses"),
)
def lazy_two_relationships_in_one_loop(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        show(user.orders)  # N+1 orders
        show(user.addresses)  # N+1 addresses


@finds(lazy(2 * ENGINEERS, "joinedload(Employee.company)"))
def lazy_of_a_joined_inheritance_base(session: Session) -> None:
    for employee in session.scalars(select(Employee)).all():
        show(employee.company)  # N+1


@finds(lazy(ENGINEERS, "selectinload(Engineer.machines)"))
def lazy_of_a_joined_inheritance_subclass(session: Session) -> None:
    for engineer in session.scalars(select(Engineer)).all():
        show(engineer.machines)  # N+1


@finds(lazy(CARDS, "joinedload(CardPayment.bank)"))
def lazy_of_a_single_table_subclass(session: Session) -> None:
    for payment in session.scalars(select(CardPayment)).all():
        show(payment.bank)  # N+1


@finds(lazy(CARDS, "CardPayment.bank)"))
def lazy_with_polymorphic(session: Session) -> None:
    from sqlalchemy.orm import with_polymorphic

    every = with_polymorphic(Payment, "*")
    for payment in session.scalars(select(every)).all():
        if isinstance(payment, CardPayment):
            show(payment.bank)  # N+1


@finds(lazy(USERS, _ORDERS, function=User.latest_order.fget))  # type: ignore[attr-defined]
def lazy_in_a_property(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        show(user.latest_order)


@finds(lazy(USERS, _ORDERS, function=User.__dict__["spent"].fget))
def lazy_in_a_hybrid_property(session: Session) -> None:
    show([user.spent for user in session.scalars(select(User)).all()])


@finds(lazy(USERS, "selectinload(User.hobbies)"))
def lazy_in_an_association_proxy(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        show(list(user.hobby_names))  # N+1


@finds(
    lazy(USERS, "selectinload(User.taggings)"),
    lazy(TAGS, "selectinload(User.taggings).joinedload(Tagging.tag)"),
)
def lazy_in_an_association_object(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        show([tag.name for tag in user.tags])  # N+1


def _cities(user: User) -> str:
    return ", ".join(address.city for address in user.addresses)  # N+1


@finds(lazy(USERS, "selectinload(User.addresses)", function=_cities))
def lazy_in_a_helper(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        show(_cities(user))


def _marshalled(order: Order) -> dict[str, object]:
    return {
        "id": order.id,
        "total": order.total,
        "buyer": order.user.name if order.user else None,  # N+1
    }


@finds(lazy(USERS, "joinedload(Order.user)", function=_marshalled))
def lazy_in_a_marshalling_function(session: Session) -> list[dict[str, object]]:
    return [_marshalled(order) for order in session.scalars(select(Order)).all()]


@finds(lazy(USERS, _ORDERS))
def lazy_in_a_list_comprehension(session: Session) -> list[int]:
    users = session.scalars(select(User)).all()
    return [len(user.orders) for user in users]  # N+1


def _counted(users: Sequence[User]) -> Iterator[int]:
    for user in users:
        yield len(user.orders)  # N+1


@finds(lazy(USERS, _ORDERS, function=_counted))
def lazy_in_a_generator(session: Session) -> int:
    return sum(_counted(session.scalars(select(User)).all()))


@finds(lazy(USERS, _ORDERS))
def lazy_in_a_sort_key(session: Session) -> None:
    users = session.scalars(select(User)).all()
    show(sorted(users, key=lambda user: len(user.orders)))  # N+1


_PAGE: Final = "{% for user in users %}<li>{{ user.name }}: {{ user.orders | length }}{% endfor %}"


@finds(Expected(kind="lazy", count_at_least=USERS, advice=_ORDERS, files=frozenset({"<template>"})))
def lazy_in_a_template(session: Session) -> str:
    template = Environment(autoescape=True).from_string(_PAGE)
    users = session.scalars(select(User)).all()
    return template.render(users=users)  # N+1


@finds(lazy(USERS, _ORDERS))
def lazy_while_streaming(session: Session) -> None:
    query = select(User).execution_options(yield_per=3)
    for user in session.scalars(query):
        show(user.orders)  # N+1


@finds(lazy(USERS, _ORDERS))
def lazy_under_the_name_of_eager(session: Session) -> None:
    show(session.scalars(select(User).options(immediateload(User.orders))).all())  # N+1


@finds(lazy(USERS, _ORDERS))
def lazy_after_a_merge_from_a_cache(session: Session) -> None:
    cached = session.scalars(select(User)).all()
    session.expunge_all()
    for user in [session.merge(user, load=False) for user in cached]:
        show(user.orders)  # N+1


@finds(lazy(AUTHORS, None))
def lazy_in_a_cascading_delete(session: Session) -> None:
    for author in session.scalars(select(Author)).all():
        session.delete(author)  # N+1


def _shown_in_a_thread(engine: Engine, ids: list[int]) -> None:
    with Session(engine) as session:
        for user in session.scalars(select(User).where(User.id.in_(ids))).all():
            show(user.orders)  # N+1


@finds(lazy(USERS, _ORDERS, function=_shown_in_a_thread), takes="engine")
def lazy_in_threads_of_one_scope(engine: Engine) -> None:
    with ThreadPoolExecutor(3) as pool:
        for first in (1, 5, 9):
            ids = list(range(first, first + 4))
            pool.submit(copy_context().run, _shown_in_a_thread, engine, ids)


SCENARIOS: Final = scenarios_in(globals())
