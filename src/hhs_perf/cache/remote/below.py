"""L2 with all that belongs to it: clients, breaker, backplane."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from ..._breaker import Breaker
from ..._redis import (
    Address,
    Backplane,
    async_client,
    backend_errors,
    subscriber_client,
    sync_client,
)
from ...exceptions import ConfigurationError
from ..lookup import Second
from .coherence import Coherence
from .l2 import Level2
from .loop_link import AsyncLinks
from .scripts import Names
from .thread_link import SyncLink

if TYPE_CHECKING:
    from ..._clock import Clock, Timeline
    from ..core import Core
    from ..options import Options

__all__ = ["Below"]

_LISTEN_TIMEOUT: Final = 1.0
_PROBE_AT_MOST: Final = 0.25
# Connecting, logging in and the answer may take the time-out each.
_STOOD_STILL: Final = 5


class Below:
    """What stands below L1 in one process."""

    def __init__(
        self, url: str, core: Core, options: Options, clock: Clock, timeline: Timeline
    ) -> None:
        try:
            address = Address.parse(url)
        except ValueError as exc:
            raise ConfigurationError(f"redis: {exc}") from None
        memory, timeout = core.memory, options.l2_timeout
        names = Names(options.namespace)
        self.address = address
        self.breaker = Breaker(
            clock,
            probe_at_most=_PROBE_AT_MOST,
            # Redis may be silent, and then it takes longer to see that there is no link.
            on_change=lambda state: memory.deafen() if state == "open" else None,
        )
        is_one = address.kind == "single"
        # Sentinels and the members of a cluster are asked one after the other.
        stood_still = _STOOD_STILL * timeout if is_one else math.inf
        self.link = SyncLink(lambda: sync_client(address, timeout=timeout), is_one_server=is_one)
        self.links = AsyncLinks(
            lambda: async_client(address, timeout=timeout), is_one_server=is_one
        )
        level2 = Level2(names, self.breaker, memory, timeline, stood_still, core.operations)
        self.coherence = Coherence(
            memory, core.flights, level2, self.link, core.faults, core.asked_to_warm
        )
        self.backplane = Backplane(
            lambda: subscriber_client(address, timeout=_LISTEN_TIMEOUT),
            names.channel,
            self.coherence,
            clock.monotonic,
            backend_errors(),
        )
        self.level2 = level2
        self.second = Second(level2, self.backplane, options.codec)
        memory.await_link()

    def close(self) -> None:
        """End the thread and the connections of threads; tasks close theirs with `aio.close()`."""
        self.backplane.stop()
        self.link.close()

    def after_fork_in_child(self) -> None:
        """Be a process of its own: what the parent holds stays the parent's."""
        self.level2.after_fork_in_child()
        self.coherence.after_fork_in_child()
        self.link.renew()
        self.links.renew()
        self.backplane.restart()
