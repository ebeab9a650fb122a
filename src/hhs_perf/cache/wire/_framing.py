"""What stands around a value in Redis: stamps, sizes and signature, at fixed places.

`docs/reference/cache-wire-format.md` describes the bytes. A change of what stands here needs a
new version number, and the old one must stay readable: the frames committed with the tests see to
that.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from ...exceptions import CacheCodecError

if TYPE_CHECKING:
    from ._signer import Signer
    from .codec import Frame

__all__ = [
    "COMPRESSED",
    "ERROR",
    "HEAD_SIZE",
    "LARGEST",
    "PICKLED",
    "PREFIX",
    "SIGNED",
    "TYPED",
    "deflated",
    "framed",
    "inflated",
    "opened",
    "payload_of",
    "unpack_head",
    "unpacked_extras",
]

_VERSION: Final = 1
_MAGIC: Final = b"\xc1hp"  # 0xC1 is the one byte that MessagePack never uses
PREFIX: Final = _MAGIC + bytes((_VERSION,))

COMPRESSED: Final = 1
PICKLED: Final = 2
SIGNED: Final = 4
ERROR: Final = 8
TYPED: Final = 16
_ALL_FLAGS: Final = 31

LARGEST: Final = 256 * 1024 * 1024
"""The most bytes of note, tags and value before compression that are written or read."""

_Head: TypeAlias = tuple[bytes, int, float, float, float, float, float, int, int]

# Without alignment: scripts in Redis find the stamps at bytes 5, 13 and 21.
_HEAD: Final = struct.Struct("<4sBdddddII")
_pack_head = _HEAD.pack
unpack_head = _HEAD.unpack_from
HEAD_SIZE: Final = _HEAD.size
_LONGEST: Final = HEAD_SIZE + LARGEST

_pack_extras = msgspec.msgpack.Encoder().encode
_extras = msgspec.msgpack.Decoder(tuple[str | None, tuple[str, ...]])


def framed(frame: Frame, flags: int, payload: bytes) -> bytes:
    """Put `payload` into its frame, unsigned; raises CacheCodecError `value` or `size`."""
    created = frame.created
    expires = frame.expires
    keep_until = frame.keep_until
    l1_ttl = math.inf if frame.l1_ttl is None else frame.l1_ttl
    load_seconds = frame.load_seconds
    if not (created <= keep_until >= expires and l1_ttl >= 0 <= load_seconds):
        raise CacheCodecError("value", f"the stamps contradict each other: {_stamps(frame)}")
    extras = b""
    if frame.tags or frame.note is not None:
        try:
            extras = _pack_extras((frame.note, frame.tags))
        except (TypeError, UnicodeEncodeError) as exc:
            raise CacheCodecError("value", f"note or tags cannot be written: {exc}") from exc
    if len(extras) + len(payload) > LARGEST:
        raise CacheCodecError("size", f"the value takes more than {LARGEST} bytes")
    head = _pack_head(
        PREFIX,
        flags,
        created,
        expires,
        keep_until,
        l1_ttl,
        load_seconds,
        len(extras),
        len(payload),
    )
    return head + extras + payload


def _stamps(frame: Frame) -> str:
    return (
        f"created={frame.created}, expires={frame.expires}, keep_until={frame.keep_until}, "
        f"l1_ttl={frame.l1_ttl}, load_seconds={frame.load_seconds}"
    )


def opened(data: bytes, signer: Signer | None, namespace: str, key: str) -> _Head:
    """Read the head of `data` when all of it is as it was written; decodes nothing else.

    The head is: prefix, flags, created, expires, keep_until, l1_ttl, load_seconds, size of the
    extras, size of the value. Raises CacheCodecError: `foreign`, `version`, `truncated`, `size`,
    `mac`, or `value` for stamps that no frame can have.
    """
    if type(data) is not bytes or len(data) < HEAD_SIZE:
        raise _no_frame(data)
    head: _Head = unpack_head(data)
    prefix, flags, created, expires, keep_until, l1_ttl, load_seconds, extras_size, size = head
    if prefix != PREFIX or flags > _ALL_FLAGS:
        raise _no_frame(data)
    end = HEAD_SIZE + extras_size + size
    if len(data) != end or end > _LONGEST or flags & SIGNED:
        _check_length(data, end, flags)
    if signer is not None:
        if not flags & SIGNED:
            raise CacheCodecError("mac", "not signed")
        signer.verify(namespace, key, data, end)
    elif flags & PICKLED:
        raise CacheCodecError("mac", "pickled, and there is no key to verify who wrote it")
    # Written so that a NaN anywhere fails.
    if not (created <= keep_until >= expires and l1_ttl >= 0 <= load_seconds):
        raise CacheCodecError("value", "the stamps contradict each other")
    return head


def _check_length(data: bytes, end: int, flags: int) -> None:
    if end > _LONGEST:
        raise CacheCodecError("size", f"says to be larger than {LARGEST} bytes")
    if flags & SIGNED:
        # One byte tells how long the key's id is; 16 bytes of signature follow it.
        end += 17 + data[end] if len(data) > end else 17
    if len(data) < end:
        raise CacheCodecError("truncated", f"{len(data)} bytes of {end}")
    if len(data) > end:
        raise CacheCodecError("foreign", f"{len(data) - end} bytes too many")


def _no_frame(data: bytes) -> CacheCodecError:
    if type(data) is not bytes:
        return CacheCodecError("foreign", f"not bytes but {type(data).__name__}")
    if not data.startswith(_MAGIC[: len(data)]):
        return CacheCodecError("foreign", "not written by hhs_perf")
    if data.startswith(PREFIX[: len(data)]) and len(data) < HEAD_SIZE:
        return CacheCodecError("truncated", f"{len(data)} bytes are less than a head")
    return CacheCodecError("version", "written by another version of hhs_perf")


def payload_of(data: bytes) -> bytes:
    """Give the value's bytes out of what was just written: equal values have equal ones."""
    *_, extras_size, size = unpack_head(data)
    at = HEAD_SIZE + extras_size
    return data[at : at + size]


def unpacked_extras(extras: bytes) -> tuple[str | None, tuple[str, ...]]:
    """Read note and tags back; raises CacheCodecError `value`."""
    try:
        return _extras.decode(extras)
    except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
        raise CacheCodecError("value", f"note and tags cannot be read: {exc}") from exc


def deflated(payload: bytes) -> bytes | None:
    """Compress, with the size in front; None when that makes it no smaller."""
    import zlib  # noqa: PLC0415 - only where compression is on

    smaller = len(payload).to_bytes(4, "little") + zlib.compress(payload, 1)
    return smaller if len(smaller) < len(payload) else None


def inflated(payload: bytes) -> bytes:
    """Decompress; makes never more than the size in front says, nor than `LARGEST`.

    Raises CacheCodecError: `size`, `truncated` or `value`.
    """
    import zlib  # noqa: PLC0415 - likewise

    size = int.from_bytes(payload[:4], "little")
    if size > LARGEST:
        raise CacheCodecError("size", f"decompresses to more than {LARGEST} bytes")
    stream = zlib.decompressobj()
    try:
        value = stream.decompress(payload[4:], size + 1)
    except zlib.error as exc:
        raise CacheCodecError("value", f"cannot be decompressed: {exc}") from exc
    if len(value) > size or stream.unused_data:
        raise CacheCodecError("size", f"decompresses to more than the {size} bytes it says")
    if len(value) < size or not stream.eof:
        raise CacheCodecError("truncated", f"decompresses to {len(value)} of {size} bytes")
    return value
