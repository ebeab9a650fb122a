"""What both faces of the cache share: its parts, and the steps of every method."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar

from attrs import evolve

from .._clock import Timeline
from .._fork import renew_after_fork
from ..exceptions import ConfigurationError
from .bulk import BulkLookup
from .checked import (
    checked_key,
    checked_keys,
    checked_loader,
    checked_tags,
    checked_text,
    checked_values,
)
from .drive import run_async
from .flight import Flights
from .leading import Leader
from .loading import Loader, LoadRequest
from .lookup import Lookup
from .memory import Memory
from .observed.operations import Operations
from .policy import Policy, check_ttl, checked_policy
from .questions import answers_to
from .remote.loop_link import AsyncLinks
from .remote.thread_link import SyncLink
from .remote.together import Together
from .store.entry import HIT
from .storing import Lives, Storing
from .warm.calls import Calls
from .writing import Writer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from .._clock import Clock
    from .._faults import Faults
    from .drive import Steps
    from .options import Options
    from .remote.below import Below
    from .store.entry import Entry
    from .store.l1 import L1Store

__all__ = ["PLAIN", "Core"]

T = TypeVar("T")

PLAIN: Final = Policy()


class Core:
    """The parts of one cache, wired; every method gives steps for a driver, or answers at once."""

    def __init__(self, store: L1Store, options: Options, clock: Clock, faults: Faults) -> None:
        if problems := options.problems():
            raise ConfigurationError(problems)
        timeline = Timeline(clock)
        self.namespace = options.namespace
        self.faults = faults
        self.memory = Memory(store, clock.monotonic)
        self.flights = Flights()
        self.operations = Operations()
        self.since = timeline.now()
        """When counting began, in seconds since 1970."""
        self.calls = Calls()
        self.on_warm: Callable[[str], None] | None = None
        self.below: Below | None = None
        if options.redis is not None:
            from .remote.below import Below  # noqa: PLC0415 - only with an L2

            self.below = Below(options.redis, self, options, clock, timeline)
        self.link = SyncLink(None) if self.below is None else self.below.link
        second = None if self.below is None else self.below.second
        raises = options.on_l2_error == "raise"
        self.lookup = Lookup(self.memory, second, PLAIN, timeline.now, raises=raises)
        self.bulk = BulkLookup(self.lookup)
        lives = Lives(l1_ttl=options.l1_ttl, l2_ttl=options.l2_ttl, has_l2=second is not None)
        keep_lease = None if self.below is None else self.below.coherence.keep_lease
        leader = Leader(self.lookup, self.flights, Storing(self.lookup, lives), keep_lease)
        self._loader = Loader(self.lookup, self.flights, leader)
        self._writer = Writer(self.lookup, self.flights, lives)
        renew_after_fork(self)

    def quick(self, key: str) -> Entry | None:
        """Give an entry of L1 that needs no second look, as a hit."""
        entry = self.memory.find(key)
        if (
            entry is not None
            and entry.expires > self.memory.now()
            and entry.group.epoch == self.memory.marks.quick
        ):
            entry.hits += HIT
            return entry
        return None

    def request(
        self,
        key: str,
        loader: Callable[[], Any],
        *,
        ttl: float | None = None,
        tags: Iterable[str] = (),
        policy: Policy | None = None,
        type_: Any = None,
        pattern: str | None = None,
        is_forced: bool = False,
    ) -> LoadRequest:
        """Put together what a load needs; raises for arguments that cannot be."""
        patterns = self.memory.patterns
        return LoadRequest(
            key=checked_key(key),
            loader=checked_loader(loader),
            ttl=None if ttl is None else check_ttl(ttl),
            tags=checked_tags(tags),
            policy=checked_policy(policy) or PLAIN,
            type=type_,
            pattern=patterns.of_key(key) if pattern is None else patterns.of(pattern),
            is_forced=is_forced,
        )

    def loading(self, request: LoadRequest) -> Steps[Any]:
        """Answer a request."""
        return self._loader.get_or_load(request)

    def finding(self, key: str, default: Any, type_: Any) -> Steps[Any]:
        """Find one value."""
        return self.lookup.get(checked_key(key), default, type_)

    def finding_many(self, keys: Iterable[str], type_: Any) -> Steps[dict[str, Any]]:
        """Find several values."""
        return self.bulk.get_many(checked_keys(keys), type_)

    def setting(
        self,
        values: Mapping[str, Any],
        ttl: float | None,
        tags: Iterable[str],
        policy: Policy | None,
        type_: Any,
    ) -> Steps[None]:
        """Keep values."""
        if ttl is not None:
            check_ttl(ttl)
        checked, policy = checked_values(values), checked_policy(policy) or PLAIN
        return self._writer.set_many(checked, ttl, checked_tags(tags), policy, type_)

    def deletion(self, keys: Iterable[str]) -> Steps[None]:
        """Remove values."""
        return self._writer.delete(checked_keys(keys))

    def invalidation(
        self, tags: Iterable[str], prefix: str | None, *, everything: bool
    ) -> Steps[None]:
        """Make void what is named; raises ValueError when nothing is."""
        tags = checked_tags(tags)
        if prefix is not None:
            prefix = checked_text(prefix, "a prefix")
        if not isinstance(everything, bool):
            raise TypeError(f"everything must be True or False, got {everything!r}")
        if not tags and not prefix and not everything:
            raise ValueError("say what to invalidate: tags, a prefix that is not empty, everything")
        return self._writer.invalidate(tags, prefix or None, everything=everything)

    def containing(self, key: str) -> Steps[bool]:
        """Tell whether there is a value."""
        return self.lookup.contains(checked_key(key))

    def remaining(self, key: str) -> Steps[float | None]:
        """Give the seconds that a value lives on."""
        return self.lookup.remaining(checked_key(key))

    @cached_property
    def links(self) -> AsyncLinks:
        """How event loops answer."""
        return AsyncLinks(None) if self.below is None else self.below.links

    def loading_async(self, request: LoadRequest) -> Awaitable[Any]:
        """Answer a request in the running event loop."""
        from asyncio import get_running_loop  # noqa: PLC0415 - slow to import, and here it is

        return self.run_async(self._loader.get_or_load(evolve(request, home=get_running_loop())))

    def finding_together(self, key: str, default: Any, type_: Any) -> Awaitable[Any]:
        """Find a value that L1 has not, together with what other tasks look for meanwhile."""
        link, lookup, bulk = self.links.current(), self.lookup, self.bulk
        if link.lookups is None:
            link.lookups = Together(
                lambda question: run_async(lookup.get(*question), link),
                lambda questions: run_async(answers_to(bulk, questions), link),
                link.keep_task,
            )
        return link.lookups.ask((checked_key(key), default, type_))

    def run_async(self, steps: Steps[T]) -> Awaitable[T]:
        """Answer steps in the running event loop."""
        return run_async(steps, self.links.current())

    def close(self) -> None:
        """End the background thread and the connections of threads."""
        if self.below is not None:
            self.below.close()

    def after_fork_in_child(self) -> None:
        """Begin empty and with connections of its own."""
        self.flights.after_fork_in_child()
        self.calls.after_fork_in_child()
        self.memory.after_fork_in_child()
        self.operations.clear()
        self.since = self.lookup.wall()
        if self.below is not None:
            self.below.after_fork_in_child()
            self.memory.await_link()

    def asked_to_warm(self, name: str) -> None:
        """Take that somebody, in whatever process, wants the warm-up of that name to run."""
        if self.on_warm is not None:
            self.on_warm(name)
