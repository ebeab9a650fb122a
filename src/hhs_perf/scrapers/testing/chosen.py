"""The platforms and samples that a run of the conformance suite is about."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, TypeVar

from ..platform import Platform
from .bundled_samples import bundled_samples
from .samples import Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["chosen"]

V = TypeVar("V")


def chosen(
    named: Sequence[str], samples: Sequence[str], installed: Iterable[Platform]
) -> list[tuple[Platform, tuple[Sample, ...]]]:
    """Give each platform with its samples: those `named` as `module:NAME`, else the `installed`.

    Raises ValueError for a name that leads nowhere, or to something else.
    """
    held = [each for name in samples for each in _listed(name, Sample)]
    platforms = [each for name in named for each in _listed(name, Platform)] or list(installed)
    known = {each.name for each in platforms}
    lost = sorted({each.platform for each in held} - known)
    if lost:
        raise ValueError(f"samples of platforms that are not tried: {', '.join(lost)}")
    return [(each, _samples_of(each, held)) for each in platforms]


def _samples_of(platform: Platform, held: Iterable[Sample]) -> tuple[Sample, ...]:
    own = tuple(each for each in held if each.platform == platform.name)
    return own or bundled_samples(platform)


def _listed(name: str, kind: type[V]) -> list[V]:
    module, colon, attribute = name.partition(":")
    if not colon:
        raise ValueError(f"say package.module:NAME, not {name!r}")
    found = getattr(importlib.import_module(module), attribute, None)
    listed = [found] if isinstance(found, kind) else found
    if not isinstance(listed, (list, tuple)) or not all(isinstance(each, kind) for each in listed):
        raise ValueError(f"{name} is no {kind.__name__}, nor a tuple of them")
    return list(listed)
