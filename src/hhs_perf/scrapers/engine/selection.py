"""Which accounts of a list are asked for, on which platform, and why the others are not."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

import attrs

from ...exceptions import ConfigurationError
from ..addresses import locate
from ..values import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from ..accounts import Account
    from ..addresses import Located
    from ..platform import Platform, Target
    from ..storage.sink import AccountKey
    from ..values import SkipReason
    from .setup import PlatformSetup

__all__ = ["Selected", "Selector", "Wanted", "day_of"]

_FIELDS: Final = ("organization", "platform", "handle", "url")
_NAMES: Final = {"org_name": "organization", "account_url": "url"}


@attrs.frozen(kw_only=True)
class Wanted:
    """What of a list is asked for."""

    platforms: tuple[str, ...] = ()
    """Names, as `Platform.answers_to` knows them; none: all."""
    core_only: bool = False
    core: str | None = None
    """`field=value`: those accounts are core ones too."""
    done: AbstractSet[AccountKey] = frozenset()
    """Accounts that need not be asked for again."""

    def __attrs_post_init__(self) -> None:
        if self.core is not None:
            field, equals, _ = self.core.partition("=")
            if not equals or _NAMES.get(field.strip(), field.strip()) not in _FIELDS:
                known = ", ".join(_FIELDS)
                raise ConfigurationError(
                    f"core accounts are chosen by field=value, and the fields are {known};"
                    f" got {self.core!r}"
                )

    def is_core(self, account: Account) -> bool:
        """Tell whether an account goes first."""
        if account.is_core or self.core is None:
            return account.is_core
        field, _, value = self.core.partition("=")
        held = getattr(account, _NAMES.get(field.strip(), field.strip())) or ""
        return bool(held.strip().casefold() == value.strip().casefold())


@attrs.define(kw_only=True, eq=False)
class Selected:
    """The targets of one platform, or of one of its hosts; core accounts apart."""

    setup: PlatformSetup
    key: str
    """What limits and breakers go by: the platform's name, and the host where it has many."""
    core: list[Target] = attrs.field(factory=list)
    rest: list[Target] = attrs.field(factory=list)

    def __len__(self) -> int:
        """Count the targets."""
        return len(self.core) + len(self.rest)


class Selector:
    """Sorts accounts by platform and host; `skipped` says what became of the others."""

    def __init__(
        self,
        setups: Mapping[str, PlatformSetup],
        wanted: Wanted,
        *,
        ids: Mapping[AccountKey, str],
        now: float,
    ) -> None:
        self.selected: dict[str, Selected] = {}
        self.skipped: list[Outcome] = []
        self._setups = setups
        self._platforms: tuple[Platform, ...] = tuple(each.platform for each in setups.values())
        self._wanted = wanted
        self._ids = ids
        self._now = now
        self._seen: set[AccountKey] = set()
        self._chosen = frozenset(
            platform.name
            for platform in self._platforms
            if not wanted.platforms or any(map(platform.answers_to, wanted.platforms))
        )

    def take(self, accounts: Iterable[Account]) -> Selector:
        """Sort the accounts, and return this."""
        for account in accounts:
            self._take(account)
        return self

    def _take(self, account: Account) -> None:
        if not account.is_core and self._wanted.is_core(account):
            account = attrs.evolve(account, is_core=True)
        located = locate(account, self._platforms)
        platform, target = located.platform, located.target
        why = self._left_out(account, located)
        if why is None and platform is not None and target is not None:
            self._add(platform, target)
        elif why is not None:
            self.skipped.append(
                Outcome(
                    account=account,
                    platform=None if platform is None else platform.name,
                    handle=None if target is None else target.handle,
                    status="skipped",
                    skipped=why[0],
                    detail=why[1],
                    at=self._now,
                )
            )

    def _left_out(self, account: Account, located: Located) -> tuple[SkipReason, str] | None:
        platform, target = located.platform, located.target
        why: tuple[SkipReason, str] | None = None
        if platform is not None and platform.name not in self._chosen:
            why = "not_selected", "not of these platforms"
        elif not account.is_active:
            why = "not_selected", "not active"
        elif self._wanted.core_only and not account.is_core:
            why = "not_selected", "no core account"
        elif platform is None or target is None:
            why = "unresolvable", located.problem
        else:
            key = (platform.name, target.handle)
            missing = self._setups[platform.name].missing
            if key in self._seen:
                why = "duplicate", "listed before"
            elif key in self._wanted.done:
                why = "already_done", "there is a snapshot of today"
            elif missing:
                why = "no_credentials", f"{' and '.join(missing)} not set"
            self._seen.add(key)
        return why

    def _add(self, platform: Platform, target: Target) -> None:
        known = self._ids.get((platform.name, target.handle))
        if target.account_id is None and known is not None:
            target = attrs.evolve(target, account_id=known, is_remembered=True)
        key = platform.name
        if platform.many_hosts:
            key = f"{key}@{platform.host_of(target) or ''}"
        selected = self.selected.get(key)
        if selected is None:
            setup = self._setups[platform.name]
            selected = self.selected[key] = Selected(setup=setup, key=key)
        (selected.core if target.account.is_core else selected.rest).append(target)


def day_of(now: float) -> date:
    """Give the UTC day of a moment, in seconds since 1970."""
    return datetime.fromtimestamp(now, UTC).date()
