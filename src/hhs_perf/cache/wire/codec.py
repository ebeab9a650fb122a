"""Values as the bytes that Redis keeps, and bytes from Redis as values: input, never code."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from ..._mac_keys import MacKey
from ...exceptions import CacheCodecError, ConfigurationError
from ._fidelity import packed, unpacked
from ._framing import (
    COMPRESSED,
    ERROR,
    HEAD_SIZE,
    LARGEST,
    PICKLED,
    PREFIX,
    SIGNED,
    TYPED,
    deflated,
    framed,
    inflated,
    opened,
    unpack_head,
    unpacked_extras,
)
from ._signer import Signer
from ._types import Types

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Codec", "Frame", "MacKey", "Stamps"]

_ERROR_TYPE: Final = tuple[str, str]
_INFINITY: Final = math.inf
_UNUSUAL: Final = COMPRESSED | PICKLED | ERROR | TYPED
_NO_EXTRAS: Final[tuple[str | None, tuple[str, ...]]] = (None, ())


# A Struct, since making one takes half the time that an attrs class takes, and each hit makes one.
class Frame(msgspec.Struct, frozen=True, gc=False):
    """What Redis holds under one key: a value, when it was loaded and how long it may be used.

    Times are seconds since 1970 on Redis's clock: `created` is when the load began, up to
    `expires` the value is fresh, up to `keep_until` it may be used stale. `l1_ttl` is the longest
    life in memory, in seconds, None without an own limit. `note` is a validator that the loader
    wants back, such as an ETag; `load_seconds` is what loading took. With `is_error` the value
    stands for an exception that the loader raised: its class as `module.qualname`, and its text.
    """

    value: object
    created: float
    expires: float
    keep_until: float
    l1_ttl: float | None = None
    tags: tuple[str, ...] = ()
    note: str | None = None
    load_seconds: float = 0.0
    is_error: bool = False


@attrs.frozen(kw_only=True)
class Stamps:
    """What a frame says of its value without decoding it; times as in `Frame`."""

    created: float
    expires: float
    keep_until: float
    tags: tuple[str, ...]
    is_error: bool


class Codec:
    """Turns frames into bytes and back.

    With `keys` every frame is signed by the first of them and must be signed by one of them: what
    anyone else wrote, or moved here from another key or namespace, is refused before anything of
    it is decoded. Values of more than `compress_above` bytes are compressed where that makes them
    smaller. With `pickle`, what MessagePack cannot hold is pickled; reading a pickle executes it,
    hence that needs keys: ConfigurationError without.
    """

    def __init__(
        self,
        *,
        keys: Sequence[MacKey] = (),
        compress_above: int | None = None,
        pickle: bool = False,
    ) -> None:
        if pickle and not keys:
            raise ConfigurationError(
                "pickle executes what it reads, so it needs keys that tell our bytes from others': "
                "set HHS_PERF_CACHE_MAC_KEYS"
            )
        if not all(isinstance(each, MacKey) for each in keys):
            raise ConfigurationError("keys: must be MacKeys, as MacKey.parse() gives them")
        self._signer = Signer(keys) if keys else None
        self._compress_above = math.inf if compress_above is None else compress_above
        self._pickle = pickle
        self._types = Types()
        self._untyped = self._types.of(None)

    def encode(self, namespace: str, key: str, frame: Frame, type_: object = None) -> bytes:
        """Give the bytes to keep under `key`; `type_` is the one that `decode` will be given.

        Raises CacheCodecError when the value would not come back as it is, naming the place in it,
        or when it takes more than 256 MiB.
        """
        read = self._types.of(_ERROR_TYPE if frame.is_error else type_)
        flags = ERROR if frame.is_error else 0 if read.plain else TYPED
        try:
            payload = packed(frame.value, read)
        except CacheCodecError:
            if not self._pickle or frame.is_error:
                raise
            payload = _pickled(frame.value)
            flags = PICKLED
        if len(payload) > LARGEST:
            raise CacheCodecError("size", f"the value takes more than {LARGEST} bytes")
        if len(payload) > self._compress_above:
            smaller = deflated(payload)
            if smaller is not None:
                payload = smaller
                flags |= COMPRESSED
        if self._signer is None:
            return framed(frame, flags, payload)
        return self._signer.signed(namespace, key, framed(frame, flags | SIGNED, payload))

    def decode(self, namespace: str, key: str, data: bytes, type_: object = None) -> Frame:
        """Read back what `encode` made for this namespace, key and type.

        Raises CacheCodecError for all other bytes, whoever made them, and nothing else.
        """
        _, flags, created, expires, keep_until, l1_ttl, load_seconds, extras_size, size = opened(
            data, self._signer, namespace, key
        )
        at = HEAD_SIZE + extras_size
        payload = data[at : at + size]
        if type_ is None and not flags & _UNUSUAL:
            value = unpacked(payload, self._untyped)
        else:
            value = self._value(flags, payload, type_)
        note, tags = unpacked_extras(data[HEAD_SIZE:at]) if extras_size else _NO_EXTRAS
        return Frame(
            value,
            created,
            expires,
            keep_until,
            None if l1_ttl == _INFINITY else l1_ttl,
            tags,
            note,
            load_seconds,
            flags & ERROR != 0,
        )

    def decode_many(
        self, namespace: str, items: Iterable[tuple[str, bytes]], type_: object = None
    ) -> tuple[dict[str, Frame], dict[str, CacheCodecError]]:
        """Do as `decode` for several keys, each once; gives its results, and what it raised."""
        frames: dict[str, Frame] = {}
        failures: dict[str, CacheCodecError] = {}
        is_usual = type_ is None and self._signer is None
        for key, data in items:
            try:
                # Nearly all is sound and plain, and `decode` would spend a quarter on its calls.
                if is_usual and type(data) is bytes and HEAD_SIZE <= len(data) <= LARGEST:
                    prefix, flags, created, expires, keep_until, l1_ttl, took, extras, size = (
                        unpack_head(data)
                    )
                    if (
                        prefix == PREFIX
                        and flags == extras == 0
                        and HEAD_SIZE + size == len(data)
                        and created <= keep_until >= expires
                        and l1_ttl >= 0 <= took
                    ):
                        frames[key] = Frame(
                            unpacked(data[HEAD_SIZE:], self._untyped),
                            created,
                            expires,
                            keep_until,
                            None if l1_ttl == _INFINITY else l1_ttl,
                            (),
                            None,
                            took,
                        )
                        continue
                frames[key] = self.decode(namespace, key, data, type_)
            except CacheCodecError as exc:
                failures[key] = exc
        return frames, failures

    def peek(self, namespace: str, key: str, data: bytes) -> Stamps:
        """Read stamps and tags alone, verified where there are keys; raises as `decode` does."""
        head = opened(data, self._signer, namespace, key)
        _, flags, created, expires, keep_until, _, _, extras_size, _ = head
        extras = data[HEAD_SIZE : HEAD_SIZE + extras_size]
        _, tags = unpacked_extras(extras) if extras else _NO_EXTRAS
        return Stamps(
            created=created,
            expires=expires,
            keep_until=keep_until,
            tags=tags,
            is_error=flags & ERROR != 0,
        )

    def _value(self, flags: int, payload: bytes, type_: object) -> object:
        if flags & COMPRESSED:
            payload = inflated(payload)
        if flags & PICKLED:
            if self._pickle:
                return _unpickled(payload)
            raise CacheCodecError("value", "pickled, and this process does not read pickles")
        if flags & ERROR:
            type_ = _ERROR_TYPE
        elif type_ is None and flags & TYPED:
            raise CacheCodecError("type", "written with a type, without it another value is read")
        return unpacked(payload, self._types.of(type_))


def _pickled(value: object) -> bytes:
    import pickle  # noqa: PLC0415 - only where it is asked for

    try:
        return pickle.dumps(value, protocol=5)
    except Exception as exc:
        raise CacheCodecError("value", f"the value cannot be pickled: {exc!r}") from exc


def _unpickled(payload: bytes) -> object:
    import pickle  # noqa: PLC0415 - likewise

    try:
        return pickle.loads(payload)  # noqa: S301 - asked for, and the signature is verified
    except Exception as exc:
        raise CacheCodecError("value", f"the pickle cannot be read: {exc!r}") from exc
