"""Signatures that tell our own bytes from all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...exceptions import CacheCodecError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..._mac_keys import MacKey

__all__ = ["Signer"]

_SIZE: Final = 16
# Sets these signatures apart from others that a host may make with the same secret.
_PURPOSE: Final = b"hhs_perf.cache.1"


class Signer:
    """Signs with the first of its keys, the newest, and verifies with all of them.

    The signature is keyed BLAKE2b (RFC 7693) of 128 bits over namespace, key and the whole frame.
    """

    def __init__(self, keys: Iterable[MacKey]) -> None:
        from hashlib import blake2b  # noqa: PLC0415 - only where values are signed
        from hmac import compare_digest  # noqa: PLC0415 - likewise

        self._equal = compare_digest
        # Copying a prepared state costs less than preparing one for each value.
        self._states = {
            bytes((len(key.id),)) + key.id.encode(): blake2b(
                key=key.secret, digest_size=_SIZE, person=_PURPOSE
            )
            for key in keys
        }
        self._newest_id, self._newest = next(iter(self._states.items()))

    def signed(self, namespace: str, key: str, frame: bytes) -> bytes:
        """Append the key's id and the signature to `frame`."""
        frame += self._newest_id
        state = self._newest.copy()
        state.update(_place(namespace, key))
        state.update(frame)
        return frame + state.digest()

    def verify(self, namespace: str, key: str, data: bytes, end: int) -> None:
        """Check what stands behind the `end` of the value; raises CacheCodecError `mac`."""
        known = self._states.get(data[end:-_SIZE])
        if known is None:
            raise CacheCodecError("mac", "signed with an unknown key")
        state = known.copy()
        state.update(_place(namespace, key))
        state.update(data[:-_SIZE])
        if not self._equal(state.digest(), data[-_SIZE:]):
            raise CacheCodecError("mac", "the signature does not fit")


def _place(namespace: str, key: str) -> bytes:
    # The lengths in front keep any part of one from passing for a part of the other.
    text = f"{len(namespace)}:{namespace}{len(key)}:{key}"
    return text.encode("utf-8", "surrogatepass")
