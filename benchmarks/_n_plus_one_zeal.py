"""The cases of the test suite of django-zeal, told in SQLAlchemy 2.x.

Its positive cases have two objects; here there are enough to call it an N+1.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import false, select
from sqlalchemy.orm import Session, defer, joinedload, load_only, selectinload

from benchmarks._n_plus_one import (
    finds,
    lazy,
    loop,
    refresh,
    scenarios_in,
    show,
    silent,
)
from benchmarks._n_plus_one_rows import USERS
from benchmarks.n_plus_one_models import (
    Address,
    Note,
    Order,
    Profile,
    User,
)

_IDS: Final = range(1, USERS + 1)


@finds(lazy(USERS, "joinedload(Order.user)"), source="django-zeal: forward_many_to_one_iterator")
def zeal_forward_many_to_one_iterator(session: Session) -> None:
    for order in session.scalars(select(Order).execution_options(yield_per=2)):
        show(order.user)  # N+1


@silent(source="django-zeal: forward_many_to_one_iterator, with select_related")
def zeal_forward_many_to_one_iterator_joined(session: Session) -> None:
    query = select(Order).options(joinedload(Order.user)).execution_options(yield_per=2)
    for order in session.scalars(query):
        show(order.user)


@silent(source="django-zeal: handles_prefetch_instead_of_select_related_in_forward_many_to_one")
def zeal_selectin_where_joined_would_do(session: Session) -> None:
    for order in session.scalars(select(Order).options(selectinload(Order.user))).all():
        show(order.user)


@silent(source="django-zeal: no_false_positive_when_loading_single_object_forward_many_to_one")
def zeal_two_single_objects(session: Session) -> None:
    first = session.scalars(select(Order).where(Order.id == 1)).first()
    last = session.scalars(select(Order).where(Order.id == 20)).first()
    show(first.user if first else None)
    show(last.user if last else None)


@silent(
    "six objects, each loaded by itself: no loader option of any one query would help",
    source="django-zeal: loading_single_object, ignores_calls_on_different_lines",
)
def zeal_six_single_objects(session: Session) -> None:
    show(session.get_one(User, 1).orders)
    show(session.get_one(User, 2).orders)
    show(session.get_one(User, 3).orders)
    show(session.get_one(User, 4).orders)
    show(session.get_one(User, 5).orders)
    show(session.get_one(User, 6).orders)


@silent(source="django-zeal: calling_reverse_many_to_one_twice, calling_queryset_many_times")
def zeal_touched_again_and_again(session: Session) -> None:
    user = session.scalars(select(User).options(selectinload(User.orders)).limit(1)).one()
    for _ in range(1_001):
        show(user.orders, user.addresses)


@finds(lazy(USERS, "selectinload(User.orders)"), source="django-zeal: reverse_many_to_one_iterator")
def zeal_reverse_many_to_one_iterator(session: Session) -> None:
    for user in session.scalars(select(User).execution_options(yield_per=2)):
        show(user.orders)  # N+1


@finds(lazy(USERS, "joinedload(Profile.user)"), source="django-zeal: forward_one_to_one_iterator")
def zeal_forward_one_to_one_iterator(session: Session) -> None:
    for profile in session.scalars(select(Profile).execution_options(yield_per=2)):
        show(profile.user)  # N+1


@silent(source="django-zeal: handles_prefetch_instead_of_select_related_in_reverse_one_to_one")
def zeal_reverse_one_to_one_selectin(session: Session) -> None:
    for user in session.scalars(select(User).options(selectinload(User.profile))).all():
        show(user.profile)


@finds(lazy(USERS, "selectinload(User.hobbies)"), source="django-zeal: many_to_many_iterator")
def zeal_many_to_many_iterator(session: Session) -> None:
    for user in session.scalars(select(User).execution_options(yield_per=2)):
        show(user.hobbies)  # N+1


@finds(refresh(USERS, "User.email"), source="django-zeal: due_to_deferred_fields")
def zeal_deferred_fields(session: Session) -> None:
    query = select(Address).options(joinedload(Address.user).load_only(User.name))
    for address in session.scalars(query).all():
        show(address.user.email)  # N+1


@silent(source="django-zeal: due_to_deferred_fields, with the right field")
def zeal_no_deferred_fields(session: Session) -> None:
    query = select(Address).options(joinedload(Address.user).load_only(User.email))
    for address in session.scalars(query).all():
        show(address.user.email)


@finds(refresh(USERS, "User.email"), source="django-zeal: deferred_fields_in_iterator")
def zeal_deferred_fields_iterator(session: Session) -> None:
    query = select(User).options(defer(User.email)).execution_options(yield_per=2)
    for user in session.scalars(query):
        show(user.email)  # N+1


@silent(source="django-zeal: handles_prefetch_instead_of_select_related_with_deferred_fields")
def zeal_selectin_with_load_only(session: Session) -> None:
    query = select(Address).options(selectinload(Address.user).options(load_only(User.name)))
    for address in session.scalars(query).all():
        show(address.user.name)


@silent(source="django-zeal: has_configurable_threshold")
def zeal_below_the_threshold(session: Session) -> None:
    for order in session.scalars(select(Order).where(Order.id.in_((1, 20)))).all():
        show(order.user)


@finds(lazy(USERS, "joinedload(User.profile)"), source="django-zeal: works_in_web_requests")
def zeal_request_for_a_list(session: Session) -> list[str]:
    users = session.scalars(select(User)).all()
    return [user.profile.picture for user in users if user.profile]  # N+1


@silent("each is a request of its own", times=6, source="django-zeal: works_in_web_requests")
def zeal_requests_for_one_user(session: Session) -> None:
    user = session.get_one(User, 2)
    show(user.profile.picture if user.profile else None)


@finds(loop(USERS), source="django-zeal: detects_nplusone_on_get")
def zeal_get(session: Session) -> None:
    for user_id in _IDS:
        show(session.scalars(select(User).where(User.id == user_id)).one())  # N+1


@silent(source="django-zeal: no_false_positive_on_get_on_different_lines")
def zeal_get_on_different_lines(session: Session) -> None:
    show(session.scalars(select(User).where(User.id == 1)).one())
    show(session.scalars(select(User).where(User.id == 2)).one())


@finds(
    refresh(USERS, None),
    tolerated=(lazy(USERS, None),),
    source="django-zeal: TestPrefetchRelatedObjects, per instance",
)
def zeal_prefetch_for_each(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        session.refresh(user, ["orders"])  # N+1


@silent(source="django-zeal: TestPrefetchRelatedObjects, bulk_is_not_n_plus_one")
def zeal_prefetch_for_all(session: Session) -> None:
    users = session.scalars(select(User)).all()
    again = select(User).where(User.id.in_([user.id for user in users]))
    session.scalars(again.options(selectinload(User.orders))).all()
    show([user.orders for user in users])


@silent(source="django-zeal: TestPrefetchRelatedObjects, singly_loaded_prefetch")
def zeal_prefetch_of_single_objects(session: Session) -> None:
    show(session.get_one(User, 1, options=[selectinload(User.orders)]).orders)
    show(session.get_one(User, 2, options=[selectinload(User.orders)]).orders)


@finds(lazy(USERS, "selectinload(User.notes)"), source="django-zeal: generic_relation")
def zeal_generic_relation(session: Session) -> None:
    for user in session.scalars(select(User)).all():
        show(user.notes)  # N+1


_TARGET: Final = Note.target.fget  # type: ignore[attr-defined]


@finds(loop(USERS, function=_TARGET), source="django-zeal: generic_foreign_key")
def zeal_generic_foreign_key(session: Session) -> None:
    for note in session.scalars(select(Note)).all():
        show(note.target)


@finds(loop(USERS, function=_TARGET), source="django-zeal: generic_foreign_key_iterator")
def zeal_generic_foreign_key_iterator(session: Session) -> None:
    for note in session.scalars(select(Note).execution_options(yield_per=2)):
        show(note.target)


@silent(source="django-zeal: no_false_positive_when_generic_foreign_key_is_null")
def zeal_generic_foreign_key_null(session: Session) -> None:
    for note in session.scalars(select(Note).where(Note.kind.is_(None))).all():
        show(note.target)


@silent(source="django-zeal: no_false_positive_when_accessing_generic_foreign_key_twice")
def zeal_generic_foreign_key_twice(session: Session) -> None:
    note = session.get_one(Note, 1)
    target = note.target
    show(target, note.target)


@silent(source="django-zeal: handles_empty_querysets, handles_get_with_values")
def zeal_empty_and_values(session: Session) -> None:
    show(session.scalars(select(User).where(false())).first())
    show(session.execute(select(User.name).where(User.id == 1)).one())


SCENARIOS: Final = scenarios_in(globals())
