"""Who may see the figures."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, cast

import attrs

from .._tokens import ROLES, Role, Token

if TYPE_CHECKING:
    from .http import Request

__all__ = [
    "Authenticator",
    "Principal",
    "TokenAuthenticator",
    "allow_all",
    "may_block",
    "roles_in_force",
    "wait_for",
]


def _read_roles(roles: Iterable[str]) -> frozenset[Role]:
    if isinstance(roles, str):
        # It would be taken apart into its letters.
        raise TypeError(f"roles: must be a set such as {{'viewer'}}, got the string {roles!r}")
    held = frozenset(roles)
    unknown = sorted(map(repr, held.difference(ROLES)))
    if unknown:
        raise ValueError(f"roles: unknown {', '.join(unknown)}; allowed are {', '.join(ROLES)}")
    return cast("frozenset[Role]", held)


@attrs.frozen(kw_only=True)
class Principal:
    """Who asks, and the roles they hold: `viewer`, `admin`, both or none.

    Raises ValueError for any other role, and TypeError for a string instead of a set.
    """

    name: str
    roles: frozenset[Role] = attrs.field(converter=_read_roles)


Authenticator = Callable[["Request"], Awaitable[Principal | None] | Principal | None]
"""Tells who asks, None for nobody. Errors it raises travel.

It may be a coroutine function; where an event loop runs, another function is called in a thread.
"""


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


def may_block(auth: Authenticator) -> bool:
    """Tell whether a call could hold up an event loop: one of a plain function of the host."""
    if auth is allow_all or isinstance(auth, TokenAuthenticator):
        return False
    return not (
        inspect.iscoroutinefunction(auth) or inspect.iscoroutinefunction(type(auth).__call__)
    )


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
