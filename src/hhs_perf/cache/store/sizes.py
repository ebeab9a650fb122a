"""How many bytes an entry holds: near enough to bound a cache by, and never slow."""

from __future__ import annotations

import random
import sys
from collections import deque
from itertools import chain, islice
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .entry import Entry

__all__ = ["ENTRY_BYTES", "size_of"]

ENTRY_BYTES: Final = 150
"""What the store holds for an entry over key and value; benchmarks/test_cache_memory.py."""
_SAMPLE: Final = 64
_MOST_PENDING: Final = 1_000
_MOST_OBJECTS: Final = 10_000
_WHOLE: Final = (str, bytes, bytearray, memoryview, int, float, complex)
# They belong to the program, not to a value that names them.
_SHARED: Final = (type(None), type, ModuleType, FunctionType, BuiltinFunctionType, MethodType)


def size_of(key: object, entry: Entry) -> int:
    """Give the bytes of key, value and bookkeeping of `entry`.

    Goes down into containers and objects, and counts each object once.  Of what a container
    holds 64 items stand for all, and of many objects that wait some, drawn at random, for all;
    past 10,000 objects, those seen stand for the rest.
    """
    seen: set[int] = set()
    pending: deque[tuple[float, object]] = deque([(1.0, entry.value)])
    total = objects = 0.0
    while pending and len(seen) < _MOST_OBJECTS:
        weight, node = pending.popleft()
        if isinstance(node, _SHARED) or id(node) in seen:
            continue
        seen.add(id(node))
        objects += weight
        total += weight * sys.getsizeof(node, 0)
        if not isinstance(node, _WHOLE):
            held, inside = _inside(node)
            items = list(islice(inside, _SAMPLE))
            if items:
                weight *= held / len(items)
                pending += [(weight, item) for item in items]
                if len(pending) > _MOST_PENDING:
                    pending = _thinned(pending)
    if pending:
        total += sum(weight for weight, _ in pending) * total / objects
    return int(total) + sys.getsizeof(key, 0) + ENTRY_BYTES


def _thinned(pending: deque[tuple[float, object]]) -> deque[tuple[float, object]]:
    """Let one of four neighbours, drawn at random, stand for all four.

    Neighbours are of one depth; a fixed one of the four might always be a key.
    """
    draw = random.Random(len(pending)).random  # noqa: S311 - equal values have equal sizes
    waiting = list(pending)
    fours = (waiting[begin : begin + 4] for begin in range(0, len(waiting), 4))
    drawn = ((four, four[int(draw() * len(four))]) for four in fours)
    return deque((sum(weight for weight, _ in four), node) for four, (_, node) in drawn)


def _inside(node: object) -> tuple[int, Iterable[object]]:
    """Give how many objects a container or an object holds, and these."""
    if isinstance(node, dict):
        return 2 * len(node), chain.from_iterable(node.items())
    if isinstance(node, list | tuple | set | frozenset | deque):
        return len(node), node
    held: list[object] = []
    for base in type(node).__mro__:
        slots = base.__dict__.get("__slots__", ())
        names = (slots,) if isinstance(slots, str) else slots
        held += [getattr(node, name, None) for name in names]
    fields = getattr(node, "__dict__", None)
    if fields:
        held.append(fields)
    return len(held), held
