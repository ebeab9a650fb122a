"""The cases of the test suites of nplusone and nplus1, told in SQLAlchemy 2.x.

Their positive cases often touch the relationship of one object out of a list, or of two:
nplusone raises at the first.  Here each object of the list is touched, since one query more is no
N+1; the first alone is a scenario of its own, which must be silent.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Final

from jinja2 import Environment
from sqlalchemy import delete, false, select
from sqlalchemy.orm import Session, joinedload, selectinload, subqueryload

from benchmarks._n_plus_one import (
    finds,
    lazy,
    scenarios_in,
    show,
    silent,
)
from benchmarks._n_plus_one_rows import HOBBIES, USERS
from benchmarks.n_plus_one_models import (
    Address,
    Employee,
    Hobby,
    Order,
    Profile,
    User,
    users_hobbies,
)

if TYPE_CHECKING:
    from sqlalchemy import Engine


@finds(lazy(USERS, "selectinload(User.addresses)"), source="nplusone: test_many_to_one")
def nplusone_many_to_one(session: Session) -> None:
    for user in session.query(User).all():
        show(user.addresses)  # N+1


@silent(source="nplusone: test_many_to_one, as it stands")
def nplusone_first_of_a_list(session: Session) -> None:
    users = session.scalars(select(User)).all()
    show(users[0].addresses)


@silent(source="nplusone: test_many_to_one_subquery")
def nplusone_many_to_one_subquery(session: Session) -> None:
    for user in session.scalars(select(User).options(subqueryload(User.addresses))).all():
        show(user.addresses)


@silent(source="nplusone: test_many_to_one_joined")
def nplusone_many_to_one_joined(session: Session) -> None:
    query = select(User).options(joinedload(User.addresses))
    for user in session.scalars(query).unique().all():
        show(user.addresses)


@finds(lazy(USERS, "joinedload(Address.user)"), source="nplusone: test_many_to_one_reverse")
def nplusone_many_to_one_reverse(session: Session) -> None:
    for address in session.scalars(select(Address)).all():
        show(address.user)  # N+1


@silent(source="nplusone: test_many_to_one_reverse_subquery")
def nplusone_many_to_one_reverse_subquery(session: Session) -> None:
    for address in session.scalars(select(Address).options(subqueryload(Address.user))).all():
        show(address.user)


@silent(source="nplusone: test_many_to_one_reverse_joined")
def nplusone_many_to_one_reverse_joined(session: Session) -> None:
    for address in session.scalars(select(Address).options(joinedload(Address.user))).all():
        show(address.user)


@finds(lazy(USERS, "selectinload(User.hobbies)"), source="nplusone: test_many_to_many")
def nplusone_many_to_many(session: Session) -> None:
    for user in session.query(User).all():
        show(user.hobbies)  # N+1


@silent(source="nplusone: test_many_to_many_subquery, test_eager_subquery")
def nplusone_many_to_many_subquery(session: Session) -> None:
    for user in session.scalars(select(User).options(subqueryload(User.hobbies))).all():
        show(user.hobbies)


@silent(source="nplusone: test_many_to_many_joined, test_eager_join")
def nplusone_many_to_many_joined(session: Session) -> None:
    query = select(User).options(joinedload(User.hobbies))
    for user in session.scalars(query).unique().all():
        show(user.hobbies)


@finds(lazy(HOBBIES, "selectinload(Hobby.users)"), source="nplusone: test_many_to_many_reverse")
def nplusone_many_to_many_reverse(session: Session) -> None:
    for hobby in session.query(Hobby).all():
        show(hobby.users)  # N+1


@silent(source="nplusone: test_many_to_many_reverse_subquery")
def nplusone_many_to_many_reverse_subquery(session: Session) -> None:
    for hobby in session.scalars(select(Hobby).options(subqueryload(Hobby.users))).all():
        show(hobby.users)


@silent(source="nplusone: test_many_to_many_reverse_joined")
def nplusone_many_to_many_reverse_joined(session: Session) -> None:
    query = select(Hobby).options(joinedload(Hobby.users))
    for hobby in session.scalars(query).unique().all():
        show(hobby.users)


@silent(source="nplusone: test_non_orm_query, test_values")
def nplusone_columns_only(session: Session) -> None:
    show(session.execute(select(Address.id)).all())


@silent(source="nplusone: flask, test_many_to_one_one")
def nplusone_flask_one(session: Session) -> None:
    show(session.scalars(select(User).where(User.id == 1)).one().addresses)


@silent(source="nplusone: flask, test_many_to_one_first")
def nplusone_flask_first(session: Session) -> None:
    user = session.scalars(select(User).limit(1)).first()
    show(user.addresses if user else None)


@silent(source="nplusone: flask, test_many_to_many_impossible")
def nplusone_flask_impossible(session: Session) -> None:
    user = session.scalars(select(User).limit(1)).one()
    show(session.scalars(select(User)).all())
    show(user.hobbies)


@silent(source="nplusone: flask, test_many_to_many_impossible_one")
def nplusone_flask_impossible_one(session: Session) -> None:
    user = session.scalars(select(User).where(User.id == 1)).one()
    show(session.scalars(select(User)).all())
    show(user.hobbies)


@silent(source="nplusone: flask, test_eager_join_empty")
def nplusone_flask_eager_join_empty(session: Session) -> None:
    session.execute(delete(users_hobbies))
    query = select(User).where(false()).options(joinedload(User.hobbies))
    show([user.hobbies for user in session.scalars(query).unique().all()])


@silent(source="nplusone: flask, test_eager_subquery_empty")
def nplusone_flask_eager_subquery_empty(session: Session) -> None:
    query = select(User).where(false()).options(subqueryload(User.hobbies))
    show([user.hobbies for user in session.scalars(query).all()], User.hobbies)


@silent(source="nplusone: flask, test_eager_nested")
def nplusone_flask_eager_nested(session: Session) -> None:
    path = joinedload(Hobby.users).joinedload(User.addresses)
    hobbies = session.scalars(select(Hobby).options(path)).unique().all()
    show([user.addresses for hobby in hobbies for user in hobby.users])


@finds(lazy(USERS, "joinedload(Profile.user)"), source="nplusone: django, test_one_to_one")
def nplusone_django_one_to_one(session: Session) -> None:
    for profile in session.scalars(select(Profile)).all():
        show(profile.user)  # N+1


@finds(lazy(USERS, "joinedload(User.profile)"), source="nplusone: test_one_to_one_reverse")
def nplusone_django_one_to_one_reverse(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        show(user.profile)  # N+1


@silent(source="nplusone: django, test_prefetch_nested, test_select_nested")
def nplusone_django_nested(session: Session) -> None:
    path = selectinload(Order.user).joinedload(User.profile)
    orders = session.scalars(select(Order).options(path)).all()
    show([order.user.profile for order in orders if order.user])


_HOBBIES_PAGE: Final = (
    "{% for user in users %}{% for hobby in user.hobbies %}{{ hobby.id }}{% endfor %}{% endfor %}"
)


@silent(source="nplusone: django, test_prefetch_many_to_many_render")
def nplusone_django_render(session: Session) -> str:
    users = session.scalars(select(User).options(selectinload(User.hobbies))).all()
    return Environment(autoescape=True).from_string(_HOBBIES_PAGE).render(users=users)


@silent(source="nplus1: django, test_nullable_fk_null_not_flagged")
def nplus1_nullable_key(session: Session) -> None:
    query = select(Order).where(Order.user_id.is_(None)).options(joinedload(Order.user))
    show([order.user for order in session.scalars(query).all()])


@silent(source="nplus1: django, test_inherited_fk_used_no_flag")
def nplus1_inherited_key(session: Session) -> None:
    query = select(Employee).options(joinedload(Employee.company))
    show([employee.company for employee in session.scalars(query).all()])


@silent(source="nplus1: core, test_ignores_single_record_load; peewee, test_many_to_one_get")
def nplus1_single_record(session: Session) -> None:
    show(session.get_one(User, 1).addresses)


def _serialized(user: User) -> dict[str, object]:
    return {"name": user.name, "hobbies": [hobby.name for hobby in user.hobbies]}


@silent(source="nplus1: django, test_prefetch_many_to_many_drf_style")
def nplus1_serializer(session: Session) -> list[dict[str, object]]:
    users = session.scalars(select(User).options(selectinload(User.hobbies))).all()
    return [_serialized(user) for user in users]


def _profiles(users: list[User]) -> None:
    for user in users:
        show(user.profile)  # N+1


@finds(
    lazy(USERS, "joinedload(User.profile)", function=_profiles),
    takes="engine",
    source="nplus1: django, test_lazy_load_across_threads_detected",
)
def nplus1_loaded_here_and_touched_in_a_thread(engine: Engine) -> None:
    with Session(engine) as session, ThreadPoolExecutor(1) as pool:
        users = list(session.scalars(select(User)).all())
        pool.submit(copy_context().run, _profiles, users).result()


def _eager_profiles(users: list[User]) -> None:
    for user in users:
        show(user.profile)


@silent(takes="engine", source="nplus1: test_eager_load_across_threads_no_false_positive")
def nplus1_loaded_eagerly_and_touched_in_a_thread(engine: Engine) -> None:
    with Session(engine) as session, ThreadPoolExecutor(1) as pool:
        users = list(session.scalars(select(User).options(joinedload(User.profile))).all())
        pool.submit(copy_context().run, _eager_profiles, users).result()


SCENARIOS: Final = scenarios_in(globals())
