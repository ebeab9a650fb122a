"""Scenarios over asynchronous drivers, where the loads happen in greenlets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from benchmarks._n_plus_one import finds, lazy, loop, refresh, scenarios_in, show, silent
from benchmarks._n_plus_one_rows import ORDERS, USERS
from benchmarks.n_plus_one_models import (
    Item,
    Order,
    Product,
    User,
)

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
    from sqlalchemy.orm import Session

_IDS: Final = range(1, USERS + 1)
_ORDERS: Final = "selectinload(User.orders)"
_ITEMS: Final = "selectinload(User.orders).selectinload(Order.items)"


@finds(lazy(USERS, _ORDERS))
async def async_lazy_one_to_many(session: AsyncSession) -> None:
    for user in (await session.scalars(select(User))).all():
        show(await user.awaitable_attrs.orders)  # N+1


@finds(lazy(USERS, "joinedload(Order.user)"))
async def async_lazy_many_to_one(session: AsyncSession) -> None:
    for order in (await session.scalars(select(Order))).all():
        show(await order.awaitable_attrs.user)  # N+1


@finds(lazy(USERS, _ORDERS, "# N+1 orders"), lazy(ORDERS, _ITEMS, "# N+1 items"))
async def async_lazy_nested(session: AsyncSession) -> None:
    for user in (await session.scalars(select(User))).all():
        for order in await user.awaitable_attrs.orders:  # N+1 orders
            show(await order.awaitable_attrs.items)  # N+1 items


async def _marshalled(user: User) -> dict[str, object]:
    hobbies = await user.awaitable_attrs.hobbies  # N+1
    return {"name": user.name, "hobbies": [hobby.name for hobby in hobbies]}


@finds(lazy(USERS, "selectinload(User.hobbies)", function=_marshalled))
async def async_lazy_in_a_helper(session: AsyncSession) -> list[dict[str, object]]:
    users = (await session.scalars(select(User))).all()
    return [await _marshalled(user) for user in users]


def _rendered(session: Session) -> str:
    users = session.scalars(select(User)).all()
    return "".join(f"<li>{user.name}: {len(user.orders)}" for user in users)  # N+1


@finds(lazy(USERS, _ORDERS, function=_rendered))
async def async_lazy_in_run_sync(session: AsyncSession) -> None:
    show(await session.run_sync(_rendered))


@finds(lazy(USERS, _ORDERS))
async def async_lazy_while_streaming(session: AsyncSession) -> None:
    users = await session.stream_scalars(select(User).execution_options(yield_per=3))
    async for user in users:
        show(await user.awaitable_attrs.orders)  # N+1


async def _shown(engine: AsyncEngine, first: int) -> None:
    query = select(User).where(User.id.between(first, first + 3))
    async with AsyncSession(engine) as session:
        for user in (await session.scalars(query)).all():
            show(await user.awaitable_attrs.orders)  # N+1


@finds(lazy(USERS, _ORDERS, function=_shown), takes="engine")
async def async_lazy_in_tasks_of_one_scope(engine: AsyncEngine) -> None:
    await asyncio.gather(*(_shown(engine, first) for first in (1, 5, 9)))


@finds(refresh(USERS, "undefer(User.bio)"))
async def async_refresh_deferred_column(session: AsyncSession) -> None:
    for user in (await session.scalars(select(User))).all():
        show(await user.awaitable_attrs.bio)  # N+1


@finds(refresh(USERS, "expire_on_commit=False"))
async def async_refresh_expired_by_a_commit(session: AsyncSession) -> None:
    users = (await session.scalars(select(User))).all()
    await session.commit()
    for user in users:
        show(await user.awaitable_attrs.name)  # N+1


@finds(refresh(USERS, None))
async def async_refresh_called_in_a_loop(session: AsyncSession) -> None:
    for user in (await session.scalars(select(User))).all():
        await session.refresh(user)  # N+1


@finds(loop(USERS))
async def async_loop_of_get(session: AsyncSession) -> None:
    for user_id in _IDS:
        show(await session.get(User, user_id))  # N+1


@finds(loop(USERS))
async def async_loop_of_scalars(session: AsyncSession) -> None:
    for user_id in _IDS:
        query = select(Order).where(Order.user_id == user_id)
        show((await session.scalars(query)).all())  # N+1


@finds(loop(USERS), takes="connection")
async def async_loop_of_core_selects(connection: AsyncConnection) -> None:
    for user_id in _IDS:
        show((await connection.execute(select(User.name).where(User.id == user_id))).all())  # N+1


@finds(loop(USERS), takes="connection")
async def async_loop_of_text(connection: AsyncConnection) -> None:
    query = text("SELECT total FROM orders WHERE user_id = :user_id")
    for user_id in _IDS:
        show((await connection.execute(query, {"user_id": user_id})).all())  # N+1


async def _resolved(engine: AsyncEngine, user_id: int) -> str | None:
    async with AsyncSession(engine) as session:
        return await session.scalar(select(User.name).where(User.id == user_id))  # N+1


@finds(loop(USERS, function=_resolved), takes="engine")
async def async_loop_of_resolvers_in_tasks(engine: AsyncEngine) -> None:
    show(await asyncio.gather(*(_resolved(engine, user_id) for user_id in _IDS)))


@silent()
async def async_eager_selectinload(session: AsyncSession) -> None:
    path = selectinload(User.orders).selectinload(Order.items).joinedload(Item.product)
    for user in (await session.scalars(select(User).options(path))).all():
        show([order.items for order in user.orders])


@silent("the loader fetches the children of many parents with each statement")
async def async_eager_batches_of_a_stream(session: AsyncSession) -> None:
    query = select(User).options(selectinload(User.orders)).execution_options(yield_per=2)
    async for user in await session.stream_scalars(query):
        show(user.orders)


@silent()
async def async_eager_awaited_all_the_same(session: AsyncSession) -> None:
    for user in (await session.scalars(select(User).options(selectinload(User.orders)))).all():
        show(await user.awaitable_attrs.orders)


@silent()
async def async_one_parent(session: AsyncSession) -> None:
    user = await session.get_one(User, 1)
    show(await user.awaitable_attrs.orders, await user.awaitable_attrs.hobbies)


@silent()
async def async_two_parents(session: AsyncSession) -> None:
    for user in (await session.scalars(select(User).where(User.id < 3))).all():
        show(await user.awaitable_attrs.orders)


@silent()
async def async_flush_of_many_rows(session: AsyncSession) -> None:
    session.add_all([Product(name=f"p{n}", price=n) for n in range(50)])
    await session.commit()


@silent("each is a request of its own", times=8)
async def async_requests_that_get_one_parent(session: AsyncSession) -> None:
    user = await session.get_one(User, 1)
    show(await user.awaitable_attrs.orders)


async def _counted(engine: AsyncEngine, table: type) -> int:
    async with AsyncSession(engine) as session:
        return len((await session.scalars(select(table))).all())


@silent(takes="engine")
async def async_tasks_that_read_different_tables(engine: AsyncEngine) -> None:
    show(await asyncio.gather(*(_counted(engine, table) for table in (User, Order, Item, Product))))


SCENARIOS: Final = scenarios_in(globals())
