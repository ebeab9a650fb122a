"""Where the tasks of a run tell what they did: a hash in Redis that is kept for a week."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from .._redis import Address, backend_errors, sync_client
from ..exceptions import ConfigurationError
from ._celery_report import ChunkReport, GatheredRun, gathered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .._monitor import Monitor

__all__ = ["Board"]

_DAY: Final = 86_400
_KEPT: Final = 7 * _DAY
_TIMEOUT: Final = 5.0
_DELIVERIES: Final = 5
_BEGUN: Final = b"begun"
_TOLD: Final = b"told"


@attrs.frozen(kw_only=True)
class _Begun:
    started_at: float
    chunks: int
    first: ChunkReport
    costs: dict[str, float]


class Board:
    """Reads and writes what tasks tell. A task that is done twice has told it once."""

    def __init__(self, monitor: Monitor) -> None:
        """Connect to nothing yet. Raises ConfigurationError without REDIS_URL or redis-py."""
        url = monitor.settings.redis.url
        if url is None:
            raise ConfigurationError(
                "the tasks of several workers share limits and reports in Redis: set REDIS_URL"
            )
        self.errors = backend_errors()
        self._start = f"hhs:{monitor.settings.redis.namespace}:{{scrapes}}"
        self._client: Any = sync_client(Address.parse(url), timeout=_TIMEOUT)

    def begin(
        self,
        run: str,
        *,
        started_at: float,
        chunks: Sequence[Sequence[Mapping[str, Any]]],
        first: ChunkReport,
        costs: Mapping[str, float],
    ) -> None:
        """Open a run, set aside what it will cost, and keep its chunks until they are dealt."""
        begun = _Begun(started_at=started_at, chunks=len(chunks), first=first, costs=dict(costs))
        key, undealt = self._key(run), self._undealt(run)
        rows = {str(number): msgspec.json.encode(each) for number, each in enumerate(chunks)}
        with self._client.pipeline(transaction=True) as pipe:
            pipe.hsetnx(key, _BEGUN, msgspec.json.encode(begun))
            pipe.expire(key, _KEPT)
            if rows:
                pipe.hset(undealt, mapping=rows)
                pipe.expire(undealt, _KEPT)
            is_new = pipe.execute()[0]
        if is_new and any(costs.values()):
            self._spend(_day(started_at), costs)

    def has_begun(self, run: str) -> bool:
        """Tell whether a run was opened."""
        return bool(self._client.hexists(self._key(run), _BEGUN))

    def undealt(self, run: str) -> list[tuple[int, list[dict[str, Any]]]]:
        """Give the chunks of a run that no task was sent for, in their order."""
        held: dict[bytes, bytes] = self._client.hgetall(self._undealt(run))
        return sorted((int(number), msgspec.json.decode(rows)) for number, rows in held.items())

    def dealt(self, run: str, number: int) -> None:
        """Remember that the task of a chunk was sent."""
        self._client.hdel(self._undealt(run), str(number))

    def claim(self, run: str, number: int) -> bool:
        """Claim the task of a chunk; False for a message that says the same as an earlier one."""
        key = f"{self._key(run)}:claimed"
        with self._client.pipeline(transaction=True) as pipe:
            pipe.hsetnx(key, str(number), b"1")
            pipe.expire(key, _KEPT)
            is_first, _ = pipe.execute()
        return bool(is_first)

    def tell(self, run: str, number: int, report: ChunkReport) -> bool:
        """Keep what a task did; True for the one that completes its run."""
        key = self._key(run)
        with self._client.pipeline(transaction=True) as pipe:
            pipe.hset(key, str(number), msgspec.json.encode(report))
            pipe.expire(key, _KEPT)
            pipe.hget(key, _BEGUN)
            pipe.hlen(key)
            _, _, begun, fields = pipe.execute()
        if begun is None:
            return False
        chunks = msgspec.json.decode(begun, type=_Begun).chunks
        return bool(fields > chunks) and bool(self._client.hsetnx(key, _TOLD, b"1"))

    def has_told(self, run: str, number: int) -> bool:
        """Tell whether a task has been done already."""
        return bool(self._client.hexists(self._key(run), str(number)))

    def deliver_again(self, run: str, number: int) -> bool:
        """Count that a task comes once more; False where it has come too often."""
        key = f"{self._key(run)}:again"
        with self._client.pipeline(transaction=True) as pipe:
            pipe.hincrby(key, str(number), 1)
            pipe.expire(key, _KEPT)
            times, _ = pipe.execute()
        return bool(times < _DELIVERIES)

    def read(self, run: str) -> GatheredRun | None:
        """Add up a run; None for one that is not known, or was more than a week ago."""
        held: dict[bytes, bytes] = self._client.hgetall(self._key(run))
        begun = held.pop(_BEGUN, None)
        held.pop(_TOLD, None)
        if begun is None:
            return None
        known = msgspec.json.decode(begun, type=_Begun)
        return gathered(
            run,
            started_at=known.started_at,
            chunks=known.chunks,
            reports=(msgspec.json.decode(each, type=ChunkReport) for each in held.values()),
            first=known.first,
        )

    def spent(self, now: float) -> dict[str, float]:
        """Give what runs of this UTC day have set aside of the platforms' budgets."""
        held: dict[bytes, bytes] = self._client.hgetall(self._of_day(_day(now)))
        return {name.decode(): float(amount) for name, amount in held.items()}

    def _spend(self, day: int, amounts: Mapping[str, float]) -> None:
        with self._client.pipeline(transaction=True) as pipe:
            for platform, amount in amounts.items():
                pipe.hincrbyfloat(self._of_day(day), platform, amount)
            pipe.expire(self._of_day(day), 2 * _DAY)
            pipe.execute()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _key(self, run: str) -> str:
        return f"{self._start}:run:{run}"

    def _undealt(self, run: str) -> str:
        return f"{self._key(run)}:undealt"

    def _of_day(self, day: int) -> str:
        return f"{self._start}:spent:{day}"


def _day(now: float) -> int:
    return int(now // _DAY)
