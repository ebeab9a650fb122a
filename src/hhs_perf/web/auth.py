"""Who may see the figures."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING

import attrs

from .._tokens import Role, Token

if TYPE_CHECKING:
    from .http import Request

__all__ = [
    "Authenticator",
    "Principal",
    "TokenAuthenticator",
    "allow_all",
    "roles_in_force",
    "wait_for",
]


def _frozen(roles: Iterable[Role]) -> frozenset[Role]:
    return frozenset(roles)


@attrs.frozen(kw_only=True)
class Principal:
    """Who asks, and the roles they hold: `viewer`, `admin` or both."""

    name: str
    roles: frozenset[Role] = attrs.field(converter=_frozen)


Authenticator = Callable[["Request"], Awaitable[Principal | None] | Principal | None]
"""Tells who asks, None for nobody; it may be a coroutine function. Errors it raises travel."""


def allow_all(_request: Request) -> Principal:
    """Let everybody see everything: for development, or behind a gateway that asks itself."""
    return Principal(name="anybody", roles=frozenset({"viewer", "admin"}))


class TokenAuthenticator:
    """Knows callers by the secret after `Authorization: Bearer`."""

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self._tokens = tokens

    def __call__(self, request: Request) -> Principal | None:
        """Give the token's principal; every token is compared, whichever fits."""
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        secret = secret.strip()
        found = None
        for token in self._tokens:
            if token.admits(secret):
                found = token
        if found is None or scheme.lower() != "bearer" or not secret:
            return None
        return Principal(name=found.name, roles=found.roles)


def roles_in_force(principal: Principal, named: str | None) -> frozenset[str]:
    """Give the roles that hold for a request whose X-Role header is `named`.

    None leaves all roles of the principal; a name leaves that one, or none where the principal
    lacks it. An admin may do what a viewer may.
    """
    held: set[str] = set(principal.roles)
    if "admin" in held:
        held.add("viewer")
    if named is None:
        return frozenset(held)
    if named not in held:
        return frozenset()
    return frozenset({"admin", "viewer"} if named == "admin" else {named})


def wait_for(answer: Principal | Awaitable[Principal | None] | None) -> Principal | None:
    """Wait for an authenticator's answer where no event loop is ours to wait on."""
    if not inspect.isawaitable(answer):
        return answer

    async def wait() -> Principal | None:
        return await answer

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(wait())
    # A synchronous view inside somebody's running loop: that loop cannot be waited on from here.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, asyncio.run, wait()).result()
