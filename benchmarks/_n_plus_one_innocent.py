"""Scenarios without an N+1: relationships loaded as one should, and fixed numbers of queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import func, insert, select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import (
    contains_eager,
    joinedload,
    raiseload,
    selectin_polymorphic,
    selectinload,
    subqueryload,
    undefer,
    undefer_group,
    with_polymorphic,
)

from benchmarks._n_plus_one import scenarios_in, show, silent
from benchmarks.n_plus_one_models import (
    Author,
    CardPayment,
    Category,
    Employee,
    Engineer,
    Hobby,
    Item,
    Manager,
    Order,
    Payment,
    Product,
    Profile,
    Tagging,
    User,
)

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_BATCHES: Final = "the loader fetches the children of many parents with each statement"
_MANY_PARENTS: Final = 2_600  # selectinload asks for at most 500 parents at a time


@silent()
def eager_selectinload(session: Session) -> None:
    for user in session.scalars(select(User).options(selectinload(User.orders))).all():
        show(user.orders)


@silent()
def eager_joinedload(session: Session) -> None:
    query = select(User).options(joinedload(User.orders))
    for user in session.scalars(query).unique().all():
        show(user.orders)


@silent()
def eager_joinedload_with_a_limit(session: Session) -> None:
    query = select(User).options(joinedload(User.orders)).order_by(User.id).limit(8)
    for user in session.scalars(query).unique().all():
        show(user.orders)


@silent()
def eager_joinedload_of_a_scalar(session: Session) -> None:
    for order in session.scalars(select(Order).options(joinedload(Order.user))).all():
        show(order.user)


@silent()
def eager_subqueryload(session: Session) -> None:
    for user in session.scalars(select(User).options(subqueryload(User.orders))).all():
        show(user.orders)


@silent()
def eager_contains_eager(session: Session) -> None:
    query = select(Order).join(Order.user).options(contains_eager(Order.user))
    for order in session.scalars(query).all():
        show(order.user)


@silent()
def eager_three_levels(session: Session) -> None:
    path = selectinload(User.orders).selectinload(Order.items).joinedload(Item.product)
    for user in session.scalars(select(User).options(path)).all():
        show([item.product for order in user.orders for item in order.items])


@silent()
def eager_six_relationships(session: Session) -> None:
    every = (User.orders, User.addresses, User.hobbies, User.taggings, User.profile, User.notes)
    for user in session.scalars(select(User).options(*map(selectinload, every))).all():
        show(*(getattr(user, each.key) for each in every))


@silent()
def eager_association_object(session: Session) -> None:
    path = selectinload(User.taggings).joinedload(Tagging.tag)
    for user in session.scalars(select(User).options(path)).all():
        show([tag.name for tag in user.tags])


@silent("one statement for each level, however many nodes it has")
def eager_tree_to_a_depth(session: Session) -> None:
    path = selectinload(Category.children, recursion_depth=3)
    roots = select(Category).where(Category.parent_id.is_(None)).options(path)
    for root in session.scalars(roots).all():
        show([grandchild for child in root.children for grandchild in child.children])


@silent()
def eager_polymorphic_selectin(session: Session) -> None:
    subclasses = selectin_polymorphic(Employee, [Engineer, Manager])
    for employee in session.scalars(select(Employee).options(subclasses)).all():
        show(getattr(employee, "language", None), getattr(employee, "budget", None))


@silent()
def eager_with_polymorphic(session: Session) -> None:
    for payment in session.scalars(select(with_polymorphic(Payment, "*"))).all():
        show(payment.card_number if isinstance(payment, CardPayment) else payment.amount)


@silent()
def eager_undeferred_columns(session: Session) -> None:
    query = select(User).options(undefer(User.bio), undefer_group("contact"))
    for user in session.scalars(query).all():
        show(user.bio, user.phone, user.street)


@silent(_BATCHES)
def eager_batches_of_a_stream(session: Session) -> None:
    query = select(User).options(selectinload(User.orders)).execution_options(yield_per=2)
    for user in session.scalars(query):
        show(user.orders)


@silent(_BATCHES)
def eager_batches_of_many_parents(session: Session) -> None:
    session.execute(insert(Author), [{"name": f"a{n}"} for n in range(_MANY_PARENTS)])
    for author in session.scalars(select(Author).options(selectinload(Author.books))).all():
        show(author.books)


@silent()
def eager_on_what_is_loaded_already(session: Session) -> None:
    users = session.scalars(select(User)).all()
    session.scalars(select(User).options(selectinload(User.orders))).all()
    for user in users:
        show(user.orders)


@silent()
def eager_parents_of_one_query_below_one_parent(session: Session) -> None:
    path = selectinload(User.orders).selectinload(Order.items)
    user = session.get_one(User, 1, options=[path])
    show([order.items for order in user.orders])


@silent()
def guarded_by_lazy_raise(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        try:
            show(user.guarded_addresses)
        except InvalidRequestError:
            show(user.name)


@silent()
def guarded_by_raiseload_of_sql(session: Session) -> None:
    users = session.scalars(select(User)).all()
    query = select(Order).where(Order.user_id > 0).options(raiseload("*", sql_only=True))
    for order in session.scalars(query).all():
        show(order.user in users)


@silent()
def identity_map_has_every_parent(session: Session) -> None:
    users = session.scalars(select(User)).all()
    for order in session.scalars(select(Order).where(Order.user_id > 0)).all():
        show(order.user in users)


@silent()
def identity_map_has_the_one_parent(session: Session) -> None:
    for order in session.scalars(select(Order).where(Order.user_id == 1)).all():
        show(order.user)


@silent()
def identity_map_answers_get(session: Session) -> None:
    users = session.scalars(select(User)).all()
    show([session.get(User, user.id) for user in users])


@silent()
def no_parent_at_all(session: Session) -> None:
    for order in session.scalars(select(Order).where(Order.user_id.is_(None))).all():
        show(order.user)


@silent()
def relationship_never_touched(session: Session) -> None:
    show([user.name for user in session.scalars(select(User)).all()])


@silent()
def one_parent(session: Session) -> None:
    show(session.get_one(User, 1).orders)


@silent()
def one_parent_touched_again_and_again(session: Session) -> None:
    user = session.get_one(User, 1)
    for _ in range(20):
        show(user.orders)


@silent()
def one_parent_with_six_relationships(session: Session) -> None:
    user = session.get_one(User, 1)
    show(user.orders, user.addresses, user.hobbies, user.taggings, user.profile, user.notes)


@silent()
def one_parent_and_its_many_children(session: Session) -> None:
    for order in session.get_one(User, 1).orders:
        show(order.total, order.user)


@silent()
def two_parents(session: Session) -> None:
    for user in session.scalars(select(User).where(User.id < 3)).all():
        show(user.orders)


@silent()
def two_unrelated_parents(session: Session) -> None:
    show(session.get_one(User, 1).orders)
    show(session.get_one(Hobby, 1).users)
    show(session.get_one(Author, 1).books)


@silent("each is asked for once, by hand, and six different lines are no loop")
def six_gets_on_six_lines(session: Session) -> None:
    show(session.get(User, 1))
    show(session.get(User, 2))
    show(session.get(User, 3))
    show(session.get(User, 4))
    show(session.get(User, 5))
    show(session.get(User, 6))


@silent("the figures of a dashboard: a fixed number, however many rows there are")
def six_equal_shapes_on_six_lines(session: Session) -> None:
    count = select(func.count()).select_from(Order)
    show(session.scalar(count.where(Order.total > 1)))
    show(session.scalar(count.where(Order.total > 2)))
    show(session.scalar(count.where(Order.total > 3)))
    show(session.scalar(count.where(Order.total > 4)))
    show(session.scalar(count.where(Order.total > 5)))
    show(session.scalar(count.where(Order.total > 6)))


def _found(session: Session, user_id: int) -> User | None:
    return session.scalar(select(User).where(User.id == user_id))


@silent("a repository's method, called by hand from six lines: no loop")
def one_helper_called_from_six_lines(session: Session) -> None:
    show(_found(session, 1))
    show(_found(session, 2))
    show(_found(session, 3))
    show(_found(session, 4))
    show(_found(session, 5))
    show(_found(session, 6))


@silent("fewer repeats than anybody would rewrite")
def four_repeats(session: Session) -> None:
    for user_id in (1, 2, 3, 4):
        show(session.get(User, user_id))


@silent()
def one_line_for_six_tables(session: Session) -> None:
    for table in (User, Order, Item, Product, Hobby, Profile):
        show(session.scalar(select(func.count()).select_from(table)))


@silent()
def single_gets_of_several_classes(session: Session) -> None:
    for table, key in ((User, 1), (Order, 2), (Item, 3), (Product, 4), (Hobby, 5), (Profile, 6)):
        show(session.get(table, key))


SCENARIOS: Final = scenarios_in(globals())
