"""Pages that browsers loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from .latency import Latency

if TYPE_CHECKING:
    from ..metrics import Registry, Snapshot

__all__ = ["FrontendCollector", "FrontendFigures", "PageFigures"]

DURATION: Final = "page.load"


@attrs.frozen(kw_only=True, slots=False)
class PageFigures(Latency):
    """One page."""

    page: str


@attrs.frozen(kw_only=True, slots=False)
class FrontendFigures(Latency):
    """All page loads, and each page by name."""

    observed: bool
    pages: tuple[PageFigures, ...]


class FrontendCollector:
    """Takes page loads into `page.load{page}`."""

    def __init__(self, metrics: Registry) -> None:
        self._metrics = metrics

    def record_load(self, page: str, seconds: float) -> None:
        """Take one load of the page with the template `page`, from navigation to loaded."""
        self._metrics.timer(DURATION, page=page).record(seconds)


def figures(snapshot: Snapshot) -> FrontendFigures:
    """Turn a snapshot into the figures of the pages."""
    seen = snapshot.timer(DURATION)
    pages = (
        PageFigures(
            page=page,
            **Latency.fields_of(snapshot, snapshot.timer(DURATION, page=page)),
        )
        for page in snapshot.tag_values(DURATION, "page")
    )
    return FrontendFigures(
        observed=bool(seen.count), pages=tuple(pages), **Latency.fields_of(snapshot, seen)
    )
