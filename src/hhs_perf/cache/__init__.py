"""The tiered cache: memory in front of Redis, coherent in all processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .._lazy import importer

if TYPE_CHECKING:
    from .advice import Advice
    from .codec import Codec, MacKey
    from .policy import NOT_MODIFIED, Loaded, Policy, Previous, previous
    from .report import CacheReport
    from .s3fifo import S3FIFOCache
    from .tiered import TieredCache

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
    "Advice": "advice",
    "CacheReport": "report",
    "Codec": "codec",
    "Loaded": "policy",
    "MacKey": "codec",
    "Policy": "policy",
    "Previous": "policy",
    "S3FIFOCache": "s3fifo",
    "TieredCache": "tiered",
    "previous": "policy",
}

__getattr__ = importer(__name__, _HOMES, globals())
