"""A small shop, as a host would map it, with every kind of relationship, and its rows.

``prepare`` makes the tables anew and fills them with the same few rows each time, on SQLite and on
PostgreSQL.  No primary key is given, so that sequences go on where the rows end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, ForeignKey, Table, and_, func, insert, select
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    DynamicMapped,
    Mapped,
    WriteOnlyMapped,
    column_property,
    foreign,
    mapped_column,
    object_session,
    relationship,
)

from benchmarks._n_plus_one_rows import people, trade, trees_and_staff

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine


class Base(AsyncAttrs, DeclarativeBase):
    """The classes of the shop."""


users_hobbies = Table(
    "users_hobbies",
    Base.metadata,
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("hobby_id", ForeignKey("hobbies.id"), primary_key=True),
)


class Hobby(Base):
    """What many users do."""

    __tablename__ = "hobbies"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    users: Mapped[list[User]] = relationship(secondary=users_hobbies, back_populates="hobbies")


class Product(Base):
    """What is sold."""

    __tablename__ = "products"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    price: Mapped[int]


class Order(Base):
    """What one user bought at once; an orphan has no user."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    status: Mapped[str]
    total: Mapped[int]
    user: Mapped[User | None] = relationship(back_populates="orders")
    items: Mapped[list[Item]] = relationship(back_populates="order")


class Item(Base):
    """One line of an order."""

    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    quantity: Mapped[int]
    order: Mapped[Order] = relationship(back_populates="items")
    product: Mapped[Product] = relationship()


class Address(Base):
    """Where a user lives."""

    __tablename__ = "addresses"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    city: Mapped[str]
    user: Mapped[User] = relationship(back_populates="addresses")


class Profile(Base):
    """The one profile of a user."""

    __tablename__ = "profiles"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), unique=True)
    picture: Mapped[str]
    user: Mapped[User] = relationship(back_populates="profile")


class Tag(Base):
    """A word that users are tagged with."""

    __tablename__ = "tags"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Tagging(Base):
    """The association object between a user and a tag."""

    __tablename__ = "taggings"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    tag_id: Mapped[int] = mapped_column(ForeignKey("tags.id"))
    tag: Mapped[Tag] = relationship()


class Note(Base):
    """A remark about a row of any table, named by kind and key (a generic foreign key)."""

    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str | None]
    target_id: Mapped[int | None]
    text: Mapped[str]

    @property
    def target(self) -> object | None:
        """Return the row that the note is about."""
        session = object_session(self)
        if session is None or self.kind is None:
            return None
        return session.get(_TARGETS[self.kind], self.target_id)  # N+1


class User(Base):
    """A customer, with deferred columns, and attributes that read others."""

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str]
    bio: Mapped[str] = mapped_column(deferred=True)
    phone: Mapped[str] = mapped_column(deferred=True, deferred_group="contact")
    street: Mapped[str] = mapped_column(deferred=True, deferred_group="contact")
    orders: Mapped[list[Order]] = relationship(back_populates="user", order_by=Order.id)
    open_orders: Mapped[list[Order]] = relationship(
        primaryjoin=lambda: and_(User.id == foreign(Order.user_id), Order.status == "open"),
        viewonly=True,
    )
    addresses: Mapped[list[Address]] = relationship(back_populates="user")
    guarded_addresses: Mapped[list[Address]] = relationship(lazy="raise", viewonly=True)
    profile: Mapped[Profile | None] = relationship(back_populates="user")
    hobbies: Mapped[list[Hobby]] = relationship(secondary=users_hobbies, back_populates="users")
    taggings: Mapped[list[Tagging]] = relationship()
    notes: Mapped[list[Note]] = relationship(
        primaryjoin=lambda: and_(User.id == foreign(Note.target_id), Note.kind == "user"),
        viewonly=True,
    )
    hobby_names: AssociationProxy[list[str]] = association_proxy("hobbies", "name")
    tags: AssociationProxy[list[Tag]] = association_proxy("taggings", "tag")
    order_count: Mapped[int] = column_property(
        select(func.count(Order.id)).where(Order.user_id == id).scalar_subquery(),  # noqa: A003 - the column above
        deferred=True,
    )

    @property
    def latest_order(self) -> Order:
        """Return the newest order."""
        return self.orders[-1]  # N+1

    @hybrid_property
    def spent(self) -> int:
        """Return what all orders cost."""
        return sum(order.total for order in self.orders)  # N+1


_TARGETS: Final[dict[str, type[Base]]] = {"user": User, "order": Order}


class Category(Base):
    """A node of a tree."""

    __tablename__ = "categories"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("categories.id"))
    children: Mapped[list[Category]] = relationship(back_populates="parent")
    parent: Mapped[Category | None] = relationship(
        back_populates="children", remote_side=lambda: Category.id
    )


class Company(Base):
    """Who employs."""

    __tablename__ = "companies"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    employees: Mapped[list[Employee]] = relationship(back_populates="company")


class Employee(Base):
    """The base of a joined inheritance."""

    __tablename__ = "employees"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[str]
    company_id: Mapped[int] = mapped_column(ForeignKey("companies.id"))
    company: Mapped[Company] = relationship(back_populates="employees")
    __mapper_args__: Any = {"polymorphic_on": "kind", "polymorphic_identity": "employee"}  # noqa: RUF012 - SQLAlchemy's own form


class Engineer(Employee):
    """An employee with machines."""

    __tablename__ = "engineers"
    id: Mapped[int] = mapped_column(ForeignKey("employees.id"), primary_key=True)
    language: Mapped[str]
    machines: Mapped[list[Machine]] = relationship()
    __mapper_args__: Any = {"polymorphic_identity": "engineer"}  # noqa: RUF012 - likewise


class Manager(Employee):
    """An employee with a budget."""

    __tablename__ = "managers"
    id: Mapped[int] = mapped_column(ForeignKey("employees.id"), primary_key=True)
    budget: Mapped[int]
    __mapper_args__: Any = {"polymorphic_identity": "manager"}  # noqa: RUF012 - likewise


class Machine(Base):
    """What an engineer works at."""

    __tablename__ = "machines"
    id: Mapped[int] = mapped_column(primary_key=True)
    engineer_id: Mapped[int] = mapped_column(ForeignKey("engineers.id"))
    name: Mapped[str]


class Bank(Base):
    """Who issued a card."""

    __tablename__ = "banks"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Payment(Base):
    """The base of a single-table inheritance."""

    __tablename__ = "payments"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    amount: Mapped[int]
    __mapper_args__: Any = {"polymorphic_on": "kind", "polymorphic_identity": "payment"}  # noqa: RUF012 - likewise


class CardPayment(Payment):
    """A payment by card."""

    card_number: Mapped[str | None]
    bank_id: Mapped[int | None] = mapped_column(ForeignKey("banks.id"))
    bank: Mapped[Bank | None] = relationship()
    __mapper_args__: Any = {"polymorphic_identity": "card"}  # noqa: RUF012 - likewise


class TransferPayment(Payment):
    """A payment by transfer."""

    iban: Mapped[str | None]
    __mapper_args__: Any = {"polymorphic_identity": "transfer"}  # noqa: RUF012 - likewise


class Author(Base):
    """Who owns books: these go when the author goes."""

    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    books: Mapped[list[Book]] = relationship(cascade="all, delete-orphan")


class Shelf(Base):
    """A collection too large to load: its books are asked for, its reviews only written."""

    __tablename__ = "shelves"
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str]
    books: DynamicMapped[Book] = relationship()
    reviews: WriteOnlyMapped[Review] = relationship()


class Book(Base):
    """What stands on a shelf."""

    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"))
    shelf_id: Mapped[int] = mapped_column(ForeignKey("shelves.id"))


class Review(Base):
    """What somebody thinks of a shelf."""

    __tablename__ = "reviews"
    id: Mapped[int] = mapped_column(primary_key=True)
    shelf_id: Mapped[int] = mapped_column(ForeignKey("shelves.id"))
    text: Mapped[str]


def _fill(connection: Connection) -> None:
    Base.metadata.drop_all(connection)
    Base.metadata.create_all(connection)
    for table, rows in [*people(), *trade(), *trees_and_staff()]:
        connection.execute(insert(Base.metadata.tables[table]), rows)


def prepare(engine: Engine) -> None:
    """Make the tables anew and fill them with the same rows as ever."""
    with engine.begin() as connection:
        _fill(connection)


async def prepare_async(engine: AsyncEngine) -> None:
    """Do what ``prepare`` does, over an asynchronous driver."""
    async with engine.begin() as connection:
        await connection.run_sync(_fill)
