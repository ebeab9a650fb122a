"""The rows of the shop: few, the same each time, and enough of each kind to repeat a query."""

from __future__ import annotations

from typing import Final

Rows = list[tuple[str, list[dict[str, object]]]]

USERS: Final = 12
ORDERS_OF_FIRST: Final = 8  # every other user has two
ORDERS: Final = ORDERS_OF_FIRST + 2 * (USERS - 1)
ORPHANS: Final = 6  # orders without a user
ITEMS: Final = 2 * ORDERS
PRODUCTS: Final = ORDERS
HOBBIES: Final = 8
TAGS: Final = 2 * USERS
ENGINEERS: Final = 6  # and as many managers, each in a company of their own
CARDS: Final = 6  # and as many transfers
ROOTS: Final = 6  # each with two children, each of these with one
CATEGORIES: Final = ROOTS * 5
AUTHORS: Final = 12  # and as many shelves


def people() -> Rows:
    """Return the users and what is theirs, table by table."""
    users = range(1, USERS + 1)
    return [
        (
            "users",
            [
                {
                    "name": f"user {n}",
                    "email": f"user{n}@shop.example",
                    "bio": f"life {n}",
                    "phone": f"0{n}",
                    "street": f"{n} Main St",
                }
                for n in users
            ],
        ),
        ("addresses", [{"user_id": n, "city": f"city {c}"} for n in users for c in (1, 2)]),
        ("profiles", [{"user_id": n, "picture": f"{n}.png"} for n in users]),
        ("hobbies", [{"name": f"hobby {n}"} for n in range(HOBBIES)]),
        (
            "users_hobbies",
            [
                {"user_id": n, "hobby_id": hobby % HOBBIES + 1}
                for n in users
                for hobby in (n, n + 3)
            ],
        ),
        ("tags", [{"name": f"tag {n}"} for n in range(TAGS)]),
        ("taggings", [{"user_id": n % USERS + 1, "tag_id": n + 1} for n in range(TAGS)]),
        (
            "notes",
            [{"kind": "user", "target_id": n, "text": "regular"} for n in users]
            + [{"kind": None, "target_id": None, "text": "about nothing"} for _ in range(6)],
        ),
    ]


def trade() -> Rows:
    """Return what is sold, bought and paid."""
    owners = [1] * ORDERS_OF_FIRST + [n for n in range(2, USERS + 1) for _ in range(2)]
    return [
        ("products", [{"name": f"product {n}", "price": n} for n in range(PRODUCTS)]),
        (
            "orders",
            [
                {"user_id": owner, "status": "open" if n % 2 else "paid", "total": n}
                for n, owner in enumerate([*owners, *[None] * ORPHANS])
            ],
        ),
        (
            "items",
            [
                {"order_id": n // 2 + 1, "product_id": n % PRODUCTS + 1, "quantity": 1}
                for n in range(ITEMS)
            ],
        ),
        ("banks", [{"name": f"bank {n}"} for n in range(CARDS)]),
        (
            "payments",
            [
                {
                    "kind": "card",
                    "amount": n,
                    "card_number": f"4{n}",
                    "bank_id": n + 1,
                    "iban": None,
                }
                for n in range(CARDS)
            ]
            + [
                {
                    "kind": "transfer",
                    "amount": n,
                    "card_number": None,
                    "bank_id": None,
                    "iban": f"DE{n}",
                }
                for n in range(CARDS)
            ],
        ),
    ]


def trees_and_staff() -> Rows:
    """Return a forest of categories, companies with their staff, shelves with their books."""
    parents = [None] * ROOTS + [n % ROOTS + 1 for n in range(2 * ROOTS)]
    parents += [ROOTS + 1 + n for n in range(2 * ROOTS)]
    staff = range(1, 2 * ENGINEERS + 1)
    return [
        ("categories", [{"name": f"c{n}", "parent_id": p} for n, p in enumerate(parents)]),
        ("companies", [{"name": f"company {n}"} for n in staff]),
        (
            "employees",
            [
                {
                    "kind": "engineer" if n <= ENGINEERS else "manager",
                    "name": f"e{n}",
                    "company_id": n,
                }
                for n in staff
            ],
        ),
        ("engineers", [{"id": n, "language": "Python"} for n in staff if n <= ENGINEERS]),
        ("managers", [{"id": n, "budget": n} for n in staff if n > ENGINEERS]),
        ("machines", [{"engineer_id": n % ENGINEERS + 1, "name": f"m{n}"} for n in staff]),
        ("authors", [{"name": f"author {n}"} for n in range(AUTHORS)]),
        ("shelves", [{"label": f"shelf {n}"} for n in range(AUTHORS)]),
        (
            "books",
            [
                {"title": f"b{n}", "author_id": n % AUTHORS + 1, "shelf_id": n % AUTHORS + 1}
                for n in range(2 * AUTHORS)
            ],
        ),
        ("reviews", [{"shelf_id": n % AUTHORS + 1, "text": "fine"} for n in range(2 * AUTHORS)]),
    ]
