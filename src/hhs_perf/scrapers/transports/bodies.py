"""Bodies, decoded while they are read and cut at the cap; headers under names in lower case."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from ..transport import SendError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["ACCEPTED", "Body", "folded"]

ACCEPTED: Final = "gzip, deflate"
_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
_RAW: Final = -zlib.MAX_WBITS
_LEFT_OUT: Final = frozenset({"set-cookie", "set-cookie2"})


def folded(items: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Make one mapping of headers: names in lower case, those that repeat joined by commas.

    Cookies are left out: none is kept, and they are secrets of a session.
    """
    headers: dict[str, str] = {}
    for raw, value in items:
        name = raw.decode("latin-1").lower()
        text = value.decode("latin-1")
        if name in headers:
            headers[name] = f"{headers[name]}, {text}"
        elif name not in _LEFT_OUT:
            headers[name] = text
    return headers


class Body:
    """Takes a body as it comes, and keeps at most `cap` bytes of what it decodes to.

    What is decoded never grows beyond the cap, so a small body that would unfold to gigabytes
    does no harm. Raises SendError for an encoding that was not asked for or is broken.
    """

    __slots__ = ("_cap", "_inflate", "_kept", "_room", "_seen", "is_cut")

    def __init__(self, headers: Mapping[str, str], cap: int) -> None:
        self.is_cut = False
        self._kept: list[bytes] = []
        self._cap = self._room = cap
        self._seen = 0
        self._inflate: _Inflate | None = None
        encoding = headers.get("content-encoding")
        if encoding:
            self._inflate = _inflate_of(encoding.strip().lower())

    def take(self, chunk: bytes) -> bool:
        """Take the next bytes; False once the cap is passed, when the rest is of no use."""
        self._seen += len(chunk)
        if self._inflate is None:
            self._keep(chunk)
        elif self._seen > self._cap:  # blocks that unfold to nothing
            self.is_cut = True
        else:
            # One byte more than there is room for tells whether it would go on.
            for part in self._inflate.parts(chunk, lambda: self._room + 1):
                self._keep(part)
                if self.is_cut:
                    break
        return not self.is_cut

    def whole(self) -> bytes:
        """Give what was kept. Raises SendError where an encoded body ended too early."""
        inflate = self._inflate
        if inflate is not None and self._seen and not self.is_cut and not inflate.is_at_end:
            raise SendError("read", "the encoded body ended too early")
        return self._kept[0] if len(self._kept) == 1 else b"".join(self._kept)

    def _keep(self, part: bytes) -> None:
        if len(part) > self._room:
            part = part[: self._room]
            self.is_cut = True
        self._room -= len(part)
        if part:
            self._kept.append(part)


def _inflate_of(encoding: str) -> _Inflate | None:
    if encoding in ("gzip", "x-gzip"):
        return _Inflate(may_be_raw=False)
    if encoding == "deflate":
        return _Inflate(may_be_raw=True)
    if encoding == "identity":
        return None
    raise SendError("read", "the body has an encoding that was not asked for")


class _Inflate:
    """Decodes gzip of one or more members, zlib, and the bare deflate that some servers send."""

    __slots__ = ("_decoder", "_may_be_raw", "is_at_end")

    def __init__(self, *, may_be_raw: bool) -> None:
        self._decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._may_be_raw = may_be_raw
        self.is_at_end = False

    def parts(self, chunk: bytes, room: Callable[[], int]) -> Iterable[bytes]:
        """Decode a chunk, at most `room()` bytes at a time."""
        while chunk:
            if self.is_at_end:
                self._decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
                self.is_at_end = False
            yield self._decoded(chunk, room())
            self._may_be_raw = False
            self.is_at_end = self._decoder.eof
            chunk = self._decoder.unused_data if self.is_at_end else self._decoder.unconsumed_tail

    def _decoded(self, chunk: bytes, room: int) -> bytes:
        try:
            return self._decoder.decompress(chunk, room)
        except zlib.error as exc:
            if not self._may_be_raw:
                raise SendError("read", "the encoded body is broken") from exc
        self._decoder = zlib.decompressobj(_RAW)
        try:
            return self._decoder.decompress(chunk, room)
        except zlib.error as exc:
            raise SendError("read", "the encoded body is broken") from exc
