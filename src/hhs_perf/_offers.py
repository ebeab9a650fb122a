"""Entry points of a group, found without the price of looking where there are none."""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import EntryPoint

__all__ = ["offered"]


def offered(group: str) -> Iterable[EntryPoint]:
    """Give the entry points of `group`.

    Importing `importlib.metadata` takes a fifth of the start of a process. So the files that it
    would parse are searched for the group's heading first, and it is asked only when one has it,
    or when distributions may be stored in a way that only it knows.
    """
    if not _may_be_offered(f"[{group}]".encode()):
        return ()
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow, see above

    return entry_points(group=group)


def _may_be_offered(heading: bytes) -> bool:
    if any(
        finder is not PathFinder and hasattr(finder, "find_distributions")
        for finder in sys.meta_path
    ):
        return True
    return any(_may_offer(place or os.curdir, heading) for place in sys.path)


def _may_offer(place: str, heading: bytes) -> bool:
    try:
        with os.scandir(place) as entries:
            names = [entry.name for entry in entries]
    except NotADirectoryError:
        return True  # a zip file, say
    except OSError:
        return False  # importlib.metadata passes over it, too
    for name in names:
        if name.endswith(".egg"):
            return True
        if name.endswith((".dist-info", ".egg-info")) and _has(
            os.path.join(place, name, "entry_points.txt"),  # noqa: PTH118 - pathlib is slow
            heading,
        ):
            return True
    return False


def _has(path: str, heading: bytes) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib is slow
            return heading in file.read()
    except OSError:
        return False
