from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from hhs_perf._tokens import parse_tokens
from hhs_perf.web import Principal, Request, TokenAuthenticator, allow_all
from hhs_perf.web.auth import may_block, roles_in_force, wait_for


def asked(authorization: str | None = None) -> Request:
    headers = {} if authorization is None else {"authorization": authorization}
    return Request(method="GET", path="/", headers=headers)


TOKENS = TokenAuthenticator(parse_tokens("viewer:see=abc,admin:do=def"))


def test_a_known_secret_gives_its_principal() -> None:
    assert TOKENS(asked("Bearer abc")) == Principal(name="see", roles=frozenset({"viewer"}))
    assert TOKENS(asked("bearer   def ")).roles == {"admin", "viewer"}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("roles", "error"),
    [
        ("viewer", TypeError),
        ({"Viewer"}, ValueError),
        ({"viewer", "root"}, ValueError),
        ([1], ValueError),
    ],
)
def test_a_principal_holds_known_roles_only(roles: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="viewer") as caught:
        Principal(name="me", roles=roles)
    assert "roles" in str(caught.value)


def test_a_principal_may_hold_no_role() -> None:
    assert Principal(name="me", roles=()).roles == frozenset()


def test_plain_functions_of_the_host_may_block_and_nothing_else() -> None:
    async def waits(_request: Request) -> None: ...

    class Waits:
        async def __call__(self, _request: Request) -> None: ...

    class Blocks:
        def __call__(self, _request: Request) -> None: ...

    for quick in (allow_all, TOKENS, waits, Waits(), Waits().__call__, partial(waits)):
        assert not may_block(quick)
    for slow in (lambda _: None, Blocks(), Blocks().__call__, partial(allow_all)):
        assert may_block(slow)


@pytest.mark.parametrize(
    "header", [None, "", "abc", "Bearer", "Bearer ", "Basic abc", "Bearer ABC", "Bearer abc def"]
)
def test_anything_else_gives_nobody(header: str | None) -> None:
    assert TOKENS(asked(header)) is None


def test_a_role_header_narrows_and_never_widens() -> None:
    admin = Principal(name="a", roles={"admin"})
    viewer = Principal(name="v", roles={"viewer"})
    assert roles_in_force(admin, None) == {"admin", "viewer"}
    assert roles_in_force(admin, "viewer") == {"viewer"}
    assert roles_in_force(admin, "admin") == {"admin", "viewer"}
    assert roles_in_force(viewer, None) == {"viewer"}
    assert roles_in_force(viewer, "admin") == frozenset()
    assert roles_in_force(viewer, "root") == frozenset()


async def test_an_awaitable_answer_is_waited_for_even_inside_a_running_loop() -> None:
    async def answer() -> Principal:
        await asyncio.sleep(0)
        return allow_all(asked())

    assert wait_for(answer()) == allow_all(asked())


def test_an_awaitable_answer_is_waited_for_without_a_loop() -> None:
    async def answer() -> None:
        await asyncio.sleep(0)

    assert wait_for(answer()) is None
    assert wait_for(None) is None
