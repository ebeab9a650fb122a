"""What an N+1 query is told as, and the way out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import attrs
from sqlalchemy.orm.interfaces import MapperProperty

from ..lines import Line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.orm import Mapper
    from sqlalchemy.orm.state import InstanceState

__all__ = ["Finding", "Kind", "loop_advice", "path_advice", "refresh_advice"]

Kind = Literal["lazy", "refresh", "loop"]
"""`lazy`: a relationship is loaded for one parent at a time; `refresh`: columns are loaded for one
instance at a time, because they are deferred or expired; `loop`: one line sends the same SELECT
again and again."""

_MOST_NAMES: Final = 5
_OPTIONS: Final = {
    "joined": "joinedload",
    "selectin": "selectinload",
    "subquery": "subqueryload",
}


@attrs.frozen(kw_only=True, slots=False)
class Finding:
    """An N+1 query of one scope.

    `count` queries (for a loop of more than 64, about that many) took `seconds` to execute at
    `line`, None where no line of the application was found; `advice` is the option that loads all
    at once.
    """

    kind: Kind
    statement: str
    sql: str
    count: int
    seconds: float
    line: Line | None
    advice: str
    about: str

    def __str__(self) -> str:
        where = "an unknown line" if self.line is None else str(self.line)
        return f"N+1 queries ({self.kind}): {self.count} × {self.about} at {where}; {self.advice}"


def path_advice(path: Sequence[Any], loaded_by: Iterable[Any] = ()) -> tuple[str, str]:
    """Give the loader option for a relationship, and the relationship's name.

    `path` goes from the entity queried over mappers and properties to what is loaded:
    `selectinload(User.orders).selectinload(Order.items)`, `joinedload` for scalars. What was
    loaded at once already, as the options `loaded_by` of the query say, stays as it was.
    """
    steps = [step for step in path if isinstance(step, MapperProperty)]
    names = [f"{step.parent.class_.__name__}.{step.key}" for step in steps]
    if not steps:
        return "selectinload()", "a relationship"
    chosen = _chosen(loaded_by)
    options = [
        f"{_eager(step, chosen)}({name})" for step, name in zip(steps[:-1], names, strict=False)
    ]
    options.append(f"{_for_all(steps[-1])}({names[-1]})")
    return ".".join(options), names[-1]


def refresh_advice(state: InstanceState[Any], props: frozenset[str] | None) -> tuple[str, str]:
    """Give the way out of loading columns of instances one at a time, and what was loaded."""
    mapper = state.mapper
    name = mapper.class_.__name__
    if not props:
        advice = f"select({name}) with populate_existing(), one query for all that is refreshed"
        return advice, name
    about = f"{name}.{_listed(props)}"
    base = mapper.inherits
    if base is not None and not props & {attr.key for attr in base.column_attrs}:
        return f"selectin_polymorphic({_root(mapper).class_.__name__}, [{name}])", about
    if props & state.expired_attributes:
        return "Session(expire_on_commit=False), or one select() after the commit", about
    chosen = _chosen(state.load_options)
    steps = [step for step in state.load_path.path if isinstance(step, MapperProperty)]
    above = "".join(
        f"{_eager(step, chosen)}({step.parent.class_.__name__}.{step.key})." for step in steps
    )
    options = (f"{above}undefer({name}.{prop})" for prop in sorted(props)[:_MOST_NAMES])
    return ", ".join(options), about


def _for_all(step: Any) -> str:
    return "selectinload" if getattr(step, "uselist", True) else "joinedload"


def _eager(step: Any, chosen: Mapping[object, str]) -> str:
    """Name the option that loads a step on the way, as the query or the mapping has it."""
    return _OPTIONS.get(chosen.get(step, getattr(step, "lazy", "")), "") or _for_all(step)


def _chosen(options: Iterable[Any]) -> dict[object, str]:
    """Read from a query's options how each relationship is loaded; what cannot be read is left."""
    chosen: dict[object, str] = {}
    for option in options:
        for element in getattr(option, "context", ()):
            path = getattr(getattr(element, "path", None), "path", ())
            strategy = dict(getattr(element, "strategy", None) or ())
            if path and "lazy" in strategy:
                chosen[path[-1]] = str(strategy["lazy"])
                chosen.update((step, str(strategy["lazy"])) for step in path[-2:-1])
    return chosen


def loop_advice(tables: tuple[str, ...], operation: str) -> tuple[str, str]:
    """Give the way out of a loop that sends the same SELECT, and what it reads."""
    about = f"{operation} {tables[0]}" if tables else operation
    table = tables[0] if tables else "the table"
    return f"one query on {table} with IN, a JOIN or GROUP BY in place of one for each turn", about


def _root(mapper: Mapper[Any]) -> Mapper[Any]:
    while mapper.inherits is not None:
        mapper = mapper.inherits
    return mapper


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = ", …" if len(ordered) > _MOST_NAMES else ""
    return ", ".join(ordered[:_MOST_NAMES]) + more
