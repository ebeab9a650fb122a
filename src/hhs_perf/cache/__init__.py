"""The tiered cache: memory in front of Redis, coherent in all processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .._lazy import importer

if TYPE_CHECKING:
    from .observed.advice import Advice
    from .observed.report import CacheReport
    from .policy import NOT_MODIFIED, Loaded, Policy, Previous, previous
    from .store.s3fifo import S3FIFOCache
    from .tiered import TieredCache
    from .wire.codec import Codec, MacKey

__all__ = [
    "NOT_MODIFIED",
    "Advice",
    "CacheReport",
    "Codec",
    "Loaded",
    "MacKey",
    "Policy",
    "Previous",
    "S3FIFOCache",
    "TieredCache",
    "previous",
]

_HOMES: Final = {
    "NOT_MODIFIED": "policy",
    "Advice": "observed.advice",
    "CacheReport": "observed.report",
    "Codec": "wire.codec",
    "Loaded": "policy",
    "MacKey": "wire.codec",
    "Policy": "policy",
    "Previous": "policy",
    "S3FIFOCache": "store.s3fifo",
    "TieredCache": "tiered",
    "previous": "policy",
}

__getattr__ = importer(__name__, _HOMES, globals())
