"""What HTTP leaves to client and server: encodings and validators."""

from __future__ import annotations

import gzip
from hashlib import blake2b
from typing import Final

__all__ = ["accepts_gzip", "compress", "etag_of", "matches"]

_WORTH_IT: Final = 860
"""Bytes under which a compressed body is not smaller on the wire: it fits one packet anyway."""


def accepts_gzip(header: str | None) -> bool:
    """Tell whether an Accept-Encoding header lets us send gzip (RFC 9110, 12.5.3)."""
    weights: dict[str, float] = {}
    for item in (header or "").lower().split(","):
        coding, _, parameters = item.partition(";")
        weight = parameters.strip().removeprefix("q=") if parameters.strip() else "1"
        try:
            weights[coding.strip()] = float(weight)
        except ValueError:
            weights[coding.strip()] = 0.0
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def compress(body: bytes) -> bytes | None:
    """Compress `body`, or give None where that gains nothing."""
    if len(body) < _WORTH_IT:
        return None
    # mtime=0: equal bodies have equal bytes.
    packed = gzip.compress(body, compresslevel=5, mtime=0)
    return packed if len(packed) < len(body) else None


def etag_of(*parts: str) -> str:
    """Make a weak entity tag: equal parts mean equal figures, however they are encoded."""
    name = blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=12)
    return f'W/"{name.hexdigest()}"'


def matches(header: str | None, etag: str) -> bool:
    """Compare an If-None-Match header with `etag`, weakly (RFC 9110, 13.1.2)."""
    if header is None:
        return False
    if header.strip() == "*":
        return True
    opaque = etag.removeprefix("W/")
    return any(item.strip().removeprefix("W/") == opaque for item in header.split(","))
