"""Looks for N+1 queries while they are sent.

The ORM says of itself which SELECT is a lazy load or a refresh and for which instance: those are
grouped by what they load and by the query that produced the instances. What the ORM cannot know,
a loop of the application's own, is told by its line. No instance and no attribute is tracked.
"""

from __future__ import annotations

import warnings
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

from ...exceptions import NPlusOneError
from ..lines import application_line
from .findings import Finding, path_advice, refresh_advice
from .loops import Loop

if TYPE_CHECKING:
    from ..lines import Line
    from ..seen.shapes import Shape

__all__ = ["MEANT", "MIN_PARENTS", "NPlusOneWarning", "Watch"]

MIN_PARENTS: Final = 3
"""Parents from which on a relationship or column loaded one at a time is a finding."""
_MOST_GROUPS: Final = 1000
_PARENTS_KEPT: Final = 64
_MOST_REFRESHED: Final = 10_000
_ROOT: Final = 2

# What was loaded and the advice on it; or the path, and the options of the query, to make it of.
_What = tuple[Any, Any]


class NPlusOneWarning(UserWarning):
    """N+1 queries were found; shown at the line that sends them."""


MEANT: Final = (NPlusOneError, NPlusOneWarning)
"""What a watch raises on purpose."""


class _Group:
    """Loads of one thing, for parents that came from one query."""

    __slots__ = ("count", "kind", "line", "parents", "seconds", "shape", "told", "what")

    def __init__(self, kind: Literal["lazy", "refresh"], shape: Shape, what: _What) -> None:
        self.kind: Literal["lazy", "refresh"] = kind
        self.shape = shape
        self.what = what
        self.count = 0
        self.seconds = 0.0
        self.parents: set[object] = set()
        self.line: Line | None = None
        self.told = False

    @property
    def is_finding(self) -> bool:
        return len(self.parents) >= MIN_PARENTS


class Watch:
    """Watches the queries of one scope; `taken` is called for each that succeeded."""

    def __init__(self, on_found: Literal["record", "warn", "raise"]) -> None:
        self._on_found = on_found
        # Guards the dictionaries; reentrant, as a finalizer may run a query.
        self._lock = RLock()
        self._groups: dict[tuple[Any, object, object], _Group] = {}
        # The listener adds the seconds of a turn without it, which would cost more than all else.
        self.loops: dict[str, Loop] = {}
        self._refreshed: dict[object, object] = {}
        self._above: dict[tuple[Any, ...], tuple[Any, ...]] = {}

    def taken(self, shape: Shape, context: Any, seconds: float) -> None:
        """Take a query that was executed; raises NPlusOneError where that was asked for."""
        role = shape.role
        if role == "read":
            loop = self.loops.get(shape.key) or self._loop(shape)
            if loop is not None:
                loop.waiting.append(seconds)
                if len(loop.waiting) >= loop.look_in:
                    self.look(loop, context)
        elif role == "loader":
            options = context.execution_options.get("_sa_orm_load_options")
            state = getattr(options, "_lazy_loaded_from", None)
            if state is not None:
                self._lazy(shape, state, context.compiled.compile_state.current_path, seconds)
        elif role == "refresh":
            options = context.execution_options.get("_sa_orm_load_options")
            state = getattr(options, "_refresh_state", None)
            if state is not None:
                props = context.compiled.compile_state.compile_options._only_load_props  # noqa: SLF001 - nothing public says it
                self._refresh(shape, state, props, seconds)

    def look(self, loop: Loop, context: Any) -> None:
        """Look at the latest turn of a loop; raises NPlusOneError where that was asked for."""
        with self._lock:
            stack = loop.turn(context)
        if stack is not None and self._on_found != "record":
            self._tell(loop.finding(stack))

    def lazy_load(self, shape: Shape, parent: object, advice: tuple[str, str]) -> None:
        """Take a lazy load that the public API told of."""
        self._add(("lazy", advice, None), shape, parent, advice, 0.0)

    def _lazy(self, shape: Shape, state: Any, loaded: Any, seconds: float) -> None:
        with self._lock:
            path = self._whole((*state.load_path.path, loaded.path[-1]))
        key = ("lazy", path, self._refreshed.get(state.key) or _origin(state))
        self._add(key, shape, state.key, (path, state.load_options), seconds)

    def _whole(self, path: tuple[Any, ...]) -> tuple[Any, ...]:
        """Put before a path what led to its first lazy load: instances know the last one alone."""
        above = self._above.get(path[:_ROOT], ())
        if len(path) > _ROOT + 1 and above and not set(above[1:-1:2]) & set(path[1::2]):
            path = (*above, *path[_ROOT:])
        if len(self._above) < _MOST_GROUPS:
            self._above[path[-_ROOT:]] = path
        return path

    def _refresh(
        self, shape: Shape, state: Any, props: frozenset[str] | None, seconds: float
    ) -> None:
        # The refresh is a query of its own: what its instance loads later still belongs to the
        # query that it came from.
        with self._lock:
            origin = self._refreshed.get(state.key) or _origin(state)
            if len(self._refreshed) < _MOST_REFRESHED:
                self._refreshed.setdefault(state.key, origin)
        key = ("refresh", shape.key, origin)
        # What is expired is known now and not later.
        what = ("", "") if key in self._groups else refresh_advice(state, props)
        self._add(key, shape, state.key, what, seconds)

    def _add(
        self,
        key: tuple[Any, object, object],
        shape: Shape,
        parent: object,
        what: _What,
        seconds: float,
    ) -> None:
        with self._lock:
            group = self._groups.get(key)
            if group is None:
                if len(self._groups) >= _MOST_GROUPS:
                    return
                group = self._groups[key] = _Group(key[0], shape, what)
            group.count += 1
            group.seconds += seconds
            if len(group.parents) < _PARENTS_KEPT:
                group.parents.add(parent)
            if group.told or not group.is_finding:
                return
            group.told = True
            group.line = application_line()
        self._tell(_finding_of(group))

    def _loop(self, shape: Shape) -> Loop | None:
        with self._lock:
            held = self.loops.get(shape.key)
            if held is None and len(self.loops) < _MOST_GROUPS:
                held = self.loops[shape.key] = Loop(shape)
            return held

    def _tell(self, found: Finding) -> None:
        if self._on_found == "raise":
            raise NPlusOneError(found)
        if self._on_found == "warn":
            line = found.line
            file, number = ("<unknown>", 0) if line is None else (line.file, line.line)
            warnings.warn_explicit(str(found), NPlusOneWarning, file, number, registry={})

    def findings(self) -> tuple[Finding, ...]:
        """Give what was found so far, the dearest first."""
        with self._lock:
            found = [_finding_of(group) for group in self._groups.values() if group.is_finding]
            for loop in self.loops.values():
                loop.fold()
                found += loop.findings()
        return tuple(sorted(_merged(found), key=lambda each: -each.seconds))


def _origin(state: Any) -> object:
    """Tell which query an instance came from.

    Instances of one query have one run; nested ones may come from as many lazy loads as there are
    parents, and what they have in common is their path.
    """
    path = state.load_path.path
    return ("run", state.runid) if len(path) <= _ROOT else path


def _finding_of(group: _Group) -> Finding:
    advice, about = group.what
    if not isinstance(advice, str):
        advice, about = path_advice(advice, about)
    return Finding(
        kind=group.kind,
        statement=group.shape.key,
        sql=group.shape.sql,
        count=group.count,
        seconds=group.seconds,
        line=group.line,
        advice=advice,
        about=about,
    )


def _merged(found: list[Finding]) -> list[Finding]:
    """Tell once what happened at one line again and again: N+1 queries in a loop are one fault."""
    merged: dict[tuple[object, ...], Finding] = {}
    for each in found:
        key = (each.kind, each.line, each.advice, each.statement)
        held = merged.get(key)
        merged[key] = (
            each
            if held is None
            else attrs.evolve(
                held, count=held.count + each.count, seconds=held.seconds + each.seconds
            )
        )
    return list(merged.values())
