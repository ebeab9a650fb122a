"""What both host applications keep in the cache, with no word of a web framework."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from hhs_perf import request_scope

from .queries import Row

if TYPE_CHECKING:
    from hhs_perf.cache import TieredCache

    from .queries import Figures

__all__ = ["PAGE", "PAGES", "PLATFORMS", "TOP", "CachedFigures"]

Answer = TypeVar("Answer")

TOP: Final = 5
PLATFORMS: Final = ("X", "Facebook", "LinkedIn", "YouTube", "Instagram")
PAGE, PAGES = 25, 4
_LIST: Final = 20
_TTL: Final = 300.0


class CachedFigures:
    """The summary, the lists and the accounts, through the cache.

    A request for one of them is of kind `cached`, unless the database had to be asked after all:
    then hhs_perf has seen the query, and the kind is `database`. The summary of all accounts with
    the lists that people begin with, and the top accounts by followers, are there before the first
    request.
    """

    def __init__(self, figures: Figures, cache: TieredCache) -> None:
        @cache.cached(ttl=_TTL, tags=["accounts"], key="summary")
        def summary() -> Row:
            return figures.summary()

        @cache.cached(ttl=_TTL, tags=["accounts"], key="accounts:{platform}:{limit}:{offset}")
        def accounts(platform: str | None, limit: int, offset: int) -> Row:
            return figures.accounts(platform=platform, limit=limit, offset=offset)

        @cache.cached(ttl=_TTL, tags=["accounts"], key="account:{account_key}")
        def account(account_key: int) -> Row | None:
            return figures.account(account_key)

        def all_accounts() -> None:
            summary()
            for page in range(PAGES):
                accounts(None, PAGE, page * PAGE)
            for platform in PLATFORMS:
                accounts(platform, _LIST, 0)

        self._summary, self._accounts, self._account = summary, accounts, account
        cache.warm("summary", all_accounts)
        cache.warm("top accounts", lambda: [account(key) for key in figures.top_accounts(TOP)])

    def summary(self) -> Row:
        """Count accounts and followers by platform."""
        return _from_cache(self._summary())

    def accounts(self, *, platform: str | None, limit: int, offset: int) -> Row:
        """List one page of accounts, of one platform or of all."""
        return _from_cache(self._accounts(platform, limit, offset))

    def account(self, account_key: int) -> Row | None:
        """Describe one account; that there is none of that number is kept as well."""
        return _from_cache(self._account(account_key))


def _from_cache(answer: Answer) -> Answer:
    """Say that the cache had the answer, unless a query was seen meanwhile."""
    scope = request_scope()
    if scope is not None and scope.kind == "uncached":
        scope.kind = "cached"
    return answer
