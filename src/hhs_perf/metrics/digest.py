"""The t-digest engines: the only file that imports a t-digest library.

A t-digest (Dunning and Ertl, "Computing extremely accurate quantiles using t-digests", 2019)
keeps a distribution as centroids: means with weights, small at both ends. Two libraries serve:
`fastdigest` (Rust) is the default, `tdigest` (pure Python over a C tree) the second.
"""

from __future__ import annotations

import struct
from array import array
from typing import TYPE_CHECKING, Final, Protocol

from ..exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastdigest import TDigest as FastTDigest
    from tdigest import TDigest as PureTDigest

    from .._settings import DigestName

__all__ = [
    "CENTROIDS",
    "Digest",
    "DigestEngine",
    "FastdigestEngine",
    "TdigestEngine",
    "load_engine",
]

CENTROIDS: Final = 200


class Digest(Protocol):
    """An estimate of a distribution that grows by values and by other digests of its engine."""

    def update(self, values: Sequence[float]) -> None:
        """Take values that are finite and sorted, smallest first; none is no change."""
        ...

    def merge(self, other: Digest) -> None:
        """Take all that `other`, a digest of the same engine, has seen; `other` stays as it is."""
        ...

    def quantile(self, q: float) -> float:
        """Estimate the value below which the share `q` (0..1) lies; NaN when nothing was seen."""
        ...

    def centroids(self) -> tuple[array[float], array[float]]:
        """Give means (ascending) and weights, as two arrays of doubles of one length."""
        ...

    def copy(self) -> Digest:
        """Give an independent digest of the same state."""
        ...


class DigestEngine(Protocol):
    """Makes digests."""

    name: str

    def new(self, centroids: int = CENTROIDS) -> Digest:
        """Make an empty digest that keeps about `centroids` centroids."""
        ...

    def build(
        self, means: array[float], weights: array[float], centroids: int = CENTROIDS
    ) -> Digest:
        """Make a digest from arrays of doubles as `Digest.centroids` gives them."""
        ...


class _FastDigest:
    __slots__ = ("_digest",)

    def __init__(self, digest: FastTDigest) -> None:
        self._digest = digest

    def update(self, values: Sequence[float]) -> None:
        if values:
            self._digest.batch_update(values)

    def merge(self, other: Digest) -> None:
        if not isinstance(other, _FastDigest):
            raise TypeError("digests of two engines do not merge; build one from the other first")
        self._digest.merge_inplace(other._digest)  # noqa: SLF001 - the same class

    def quantile(self, q: float) -> float:
        if not self._digest.n_values:
            return float("nan")
        return float(self._digest.quantile(q))

    def centroids(self) -> tuple[array[float], array[float]]:
        # Never to_dict(): with a garbage collection inside it, another thread's update can lock
        # up the whole process (a Rust mutex is waited for while holding the GIL).
        pairs = self._digest.centroids
        return array("d", [m for m, _ in pairs]), array("d", [w for _, w in pairs])

    def copy(self) -> Digest:
        return _FastDigest(self._digest.copy())


class FastdigestEngine:
    """The engine on `fastdigest`, 45 to 51 ns an update."""

    name = "fastdigest"

    # Version 1 of fastdigest's bytes: magic, version, centroids held, centroids allowed,
    # weight, sum, smallest, largest, count of values, padding; then pairs of doubles.
    _HEADER: Final = struct.Struct("<8sIQQddddQ12x")
    _MAGIC: Final = b"FASTDIG~"

    def __init__(self) -> None:
        from fastdigest import TDigest  # noqa: PLC0415 - the optional library

        self._type = TDigest
        self._builds_from_bytes = self._bytes_are_understood()

    def new(self, centroids: int = CENTROIDS) -> Digest:
        """Make an empty digest."""
        return _FastDigest(self._type(max_centroids=centroids))

    def build(
        self, means: array[float], weights: array[float], centroids: int = CENTROIDS
    ) -> Digest:
        """Make a digest from centroids."""
        if not means:
            return self.new(centroids)
        if self._builds_from_bytes:
            return _FastDigest(
                self._type.from_bytes(self._pack(means, weights, max(centroids, len(means))))
            )
        return self._build_from_dict(means, weights, max(centroids, len(means)))

    def _build_from_dict(
        self, means: array[float], weights: array[float], centroids: int
    ) -> Digest:
        pairs = [{"m": m, "c": w} for m, w in zip(means, weights, strict=True)]
        return _FastDigest(self._type.from_dict({"max_centroids": centroids, "centroids": pairs}))

    def _pack(self, means: array[float], weights: array[float], centroids: int) -> bytes:
        held = len(means)
        pairs = array("d", bytes(16 * held))
        pairs[0::2], pairs[1::2] = means, weights
        weight = sum(weights)
        # The sum of the values is left out: it takes half the time, and nobody asks a digest.
        total = 0.0
        bounds = means[0], means[-1]
        count = round(weight)
        header = self._HEADER.pack(self._MAGIC, 1, held, centroids, weight, total, *bounds, count)
        return header + pairs.tobytes()

    def _bytes_are_understood(self) -> bool:
        """Try the byte layout once; where a release changed it, the public from_dict serves."""
        truth = self._type(max_centroids=8)
        truth.batch_update([float(n) for n in range(1, 101)])
        pairs = truth.centroids
        means, weights = array("d", [m for m, _ in pairs]), array("d", [w for _, w in pairs])
        try:
            ours = self._type.from_bytes(self._pack(means, weights, 8))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001 - a panic of Rust is no Exception; it says no too
            return False
        return bool(ours.centroids == pairs and ours.n_values == truth.n_values)


class _PureDigest:
    __slots__ = ("_digest", "_is_compressed")

    def __init__(self, digest: PureTDigest, *, is_compressed: bool = False) -> None:
        self._digest = digest
        self._is_compressed = is_compressed

    def update(self, values: Sequence[float]) -> None:
        for value in values:
            self._digest.update(value)
        self._is_compressed = False

    def merge(self, other: Digest) -> None:
        if not isinstance(other, _PureDigest):
            raise TypeError("digests of two engines do not merge; build one from the other first")
        for mean, weight in zip(*other.centroids(), strict=True):
            self._digest.update(mean, weight)
        self._is_compressed = False

    def quantile(self, q: float) -> float:
        if not self._digest.n:
            return float("nan")
        # Below the middle of the first centroid the library extrapolates, even below zero.
        lowest = self._digest.C.min_item()[1].mean
        return max(float(lowest), float(self._digest.percentile(100 * q)))

    def centroids(self) -> tuple[array[float], array[float]]:
        # Sorted input leaves up to 12 times too many, which the library ends only by and by.
        if not self._is_compressed and self._digest.n:
            self._digest.compress()
            self._is_compressed = True
        held = self._digest.centroids_to_list()
        return array("d", [c["m"] for c in held]), array("d", [c["c"] for c in held])

    def copy(self) -> Digest:
        empty = type(self._digest)(delta=self._digest.delta, K=self._digest.K)
        return _filled(empty, *self.centroids())


def _filled(empty: PureTDigest, means: array[float], weights: array[float]) -> _PureDigest:
    from tdigest.tdigest import Centroid  # noqa: PLC0415 - the optional library

    for mean, weight in zip(means, weights, strict=True):
        # Not update(): it would join centroids, and is ten times slower.
        empty._add_centroid(Centroid(mean, weight))  # noqa: SLF001 - the only way in for them
        empty.n += weight
    return _PureDigest(empty, is_compressed=True)


class TdigestEngine:
    """The engine on `tdigest`, about 16 us an update."""

    name = "tdigest"

    def __init__(self) -> None:
        from tdigest import TDigest  # noqa: PLC0415 - the optional library

        self._type = TDigest

    def new(self, centroids: int = CENTROIDS) -> Digest:
        """Make an empty digest; its delta keeps about `centroids` centroids."""
        return _PureDigest(self._type(delta=2 / centroids, K=25))

    def build(
        self, means: array[float], weights: array[float], centroids: int = CENTROIDS
    ) -> Digest:
        """Make a digest from centroids."""
        return _filled(self._type(delta=2 / centroids, K=25), means, weights)


def load_engine(name: DigestName = "auto") -> DigestEngine:
    """Load the engine `name`; `auto` takes fastdigest, or tdigest where that is absent.

    Raises ConfigurationError when the engine asked for, or with `auto` every engine, is missing.
    """
    if name in ("auto", "fastdigest"):
        try:
            return FastdigestEngine()
        except ImportError as exc:
            if name == "fastdigest":
                raise ConfigurationError(
                    "HHS_PERF_DIGEST=fastdigest, but fastdigest is not installed: "
                    "pip install fastdigest"
                ) from exc
    try:
        return TdigestEngine()
    except ImportError as exc:
        if name == "tdigest":
            raise ConfigurationError.missing_extra("HHS_PERF_DIGEST=tdigest", "tdigest") from exc
        raise ConfigurationError(
            "no t-digest engine is installed: pip install fastdigest, "
            "or, with a C compiler, pip install 'hhs-perf[tdigest]'"
        ) from exc
