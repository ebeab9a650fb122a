"""What a process hears of the pauses of others, and how it notices that Redis is back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..._faults import Faults
from ..._redis import backend_errors, sync_client
from .scripts import read_pause
from .server_time import ServerTime
from .shared_lane import SharedLane

if TYPE_CHECKING:
    from ..._breaker import Breaker
    from ..._clock import Clock
    from ..._redis import Address
    from .scripts import Names

__all__ = ["Ears"]

_MOST_LANES: Final = 1024


class Ears:
    """Listens to a backplane for one limiter, and holds what is known of its platforms."""

    def __init__(
        self, address: Address, timeout: float, names: Names, breaker: Breaker, clock: Clock
    ) -> None:
        self._address = address
        self._timeout = timeout
        self._names = names
        self._breaker = breaker
        self._now = clock.monotonic
        self._errors = backend_errors()
        self._faults = Faults()
        self._lanes: dict[str, SharedLane] = {}
        self.time = ServerTime()

    def known(self, platform: str) -> SharedLane | None:
        """Give the lane of a platform that was asked for before."""
        return self._lanes.get(platform)

    def lane(self, platform: str) -> SharedLane:
        """Give the lane of a platform."""
        lane = self._lanes.get(platform)
        if lane is None:
            if len(self._lanes) >= _MOST_LANES:
                self._forget_idle()
            lane = self._lanes.setdefault(platform, SharedLane())
        return lane

    def heard(self, message: str) -> None:
        """Take a pause that some process, perhaps this one, has shared."""
        platform, said, seconds = read_pause(message)
        lane = self._lanes.get(platform)
        if lane is not None:
            lane.heard(said, self._now() + seconds)

    def linked(self) -> bool:
        """Learn of the pauses that were shared while nobody listened."""
        client = sync_client(self._address, timeout=self._timeout)
        try:
            for platform, lane in list(self._lanes.items()):
                self._ask(client, platform, lane)
        except self._errors:
            return False
        finally:
            client.close()
        return True

    def lost(self, error: BaseException | None) -> None:
        """Go on: whoever reserves learns of pauses by that."""

    def turn(self) -> None:
        """Try whether Redis is back, so that nobody has to wait for that."""
        if self._breaker.is_closed or not self._breaker.may_probe():
            return
        client: Any = sync_client(self._address, timeout=self._timeout)
        try:
            client.execute_command("PING")
        except self._errors as exc:
            self._breaker.failed(exc)
        else:
            self._breaker.succeeded()
        finally:
            client.close()

    def fault(self, error: BaseException) -> None:
        """Log, once, what must not end the thread, such as a message that no limiter sends."""
        self._faults.note("listening for pauses of the scrapers", error, is_plain=True)

    def renew(self) -> None:
        """Keep what is known in a forked child."""
        self.time = ServerTime()
        for lane in self._lanes.values():
            lane.renew()

    def _ask(self, client: Any, platform: str, lane: SharedLane) -> None:  # noqa: ANN401 - redis-py
        state, _ = self._names.keys(platform)
        till, said = client.hmget(state, "till", "said")
        asked = self._now()
        seconds, micros = client.time()
        self.time.learn(seconds + micros / 1e6, asked, self._now())
        if till is not None and said is not None:
            lane.heard(int(said), self.time.local(int(till) / 1e6))

    def _forget_idle(self) -> None:
        now = self._now()
        for platform, lane in list(self._lanes.items()):
            if lane.is_idle(now):
                del self._lanes[platform]
