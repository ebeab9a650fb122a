"""Exit statuses: those of `status` as monitoring plugins know them, the others from sysexits.h."""

from __future__ import annotations

from typing import Final

__all__ = [
    "BROKEN_PIPE",
    "CONFIGURATION",
    "INTERRUPTED",
    "IO_ERROR",
    "MET",
    "MISCOUNTED",
    "NOTHING",
    "PARTIAL",
    "SCRAPED",
    "SOFTWARE",
    "TERMINATED",
    "UNKNOWN",
    "UNREACHABLE",
    "USAGE",
    "VIOLATED",
    "WARNING",
]

MET: Final = 0
WARNING: Final = 1
VIOLATED: Final = 2
UNKNOWN: Final = 3
UNREACHABLE: Final = 4

MISCOUNTED: Final = 1

SCRAPED: Final = 0
PARTIAL: Final = 1
NOTHING: Final = 2

USAGE: Final = 64
SOFTWARE: Final = 70
IO_ERROR: Final = 74
CONFIGURATION: Final = 78

INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141
TERMINATED: Final = 143
