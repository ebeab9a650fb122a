"""The tables of a configuration file, turned into SLAs and alert rules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from ..exceptions import ConfigurationError
from ._checks import joined, key_text, shown
from .figures import Quantile, Ratio, Selector
from .objectives import QuantileObjective, RatioObjective, Sla
from .rules import AlertRule

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from ._checks import Checks
    from .figures import Figure
    from .objectives import Objective

__all__ = ["apply_alerts", "apply_slas"]

B = TypeVar("B")
Table = Mapping[str, object]

_LEVELS: Final = ("target", "warning", "violated", "op", "unit", "window", "min_samples", "enabled")
_OF_QUANTILE: Final = ("metric", "tags", "quantile")
_OF_RATIO: Final = ("good", "total")
_OF_RULE: Final = (
    "severity", "op", "threshold", "resolve_at", "pending_for", "keep_firing_for", "window",
    "min_samples", "per", "summary", "enabled",
)  # fmt: skip
_NEEDED: Final = frozenset({"target", "threshold", "metric", "quantile", "good", "total"})
_QUANTILE_NAME: Final = re.compile(r"p(\d{1,9}(?:\.\d{1,9})?)", re.ASCII)


def _in_proportion(level: float, old: float, new: object, *, is_ratio: bool) -> float | None:
    """Move `level` as its target moved; None where the target has a mistake, which is told."""
    if isinstance(new, bool) or not isinstance(new, int | float):
        return None
    try:
        at, was, now = (Fraction(str(number)) for number in (level, old, new))
        if is_ratio and at > was:  # it keeps its place between the target and 1
            moved = float(1 - (1 - at) * (1 - now) / (1 - was))
        else:
            moved = float(at * now / was)
    except (ValueError, OverflowError, ZeroDivisionError):  # not finite, too large, or from 0
        return None
    return moved if moved >= 0 and (moved <= 1 or not is_ratio) else None


def _known_keys(checks: Checks, at: str, table: Table, known: Iterable[str]) -> None:
    for key in table:
        if key not in known:
            checks(joined(at, key_text(key)), f"is unknown; known are {', '.join(known)}")


def _is_enabled(checks: Checks, at: str, table: Table) -> bool:
    enabled = table.get("enabled", True)
    if isinstance(enabled, bool):
        return enabled
    checks(joined(at, "enabled"), f"must be true or false, got {shown(enabled)}")
    return True


def _build(
    checks: Checks,
    at: str,
    table: Table,
    make: Callable[..., B],
    fields: Mapping[str, Any],
    unset: Container[str],
) -> B | None:
    """Make a value, or put its mistakes under their keys.

    `unset` are keys that are needed and that `table` does not have, or has with a mistake that
    is in `checks` already.
    """
    try:
        return make(**fields)
    except ConfigurationError as exc:
        for problem in exc.problems:
            key, _, message = problem.removeprefix(f"{fields['name']}.").partition(": ")
            if key not in unset:
                checks(joined(at, key), message)
            elif key not in table:
                checks(joined(at, key), "must be given")
    return None


def _selector(checks: Checks, at: str, value: object) -> Selector | None:
    if not isinstance(value, Mapping):
        checks(at, f"must be a table with name and tags, got {shown(value)}")
        return None
    _known_keys(checks, at, value, ("name", "tags"))
    return Selector(name=value.get("name", ""), tags=value.get("tags", {}))


def _selectors(checks: Checks, at: str, table: Table) -> dict[str, Selector]:
    return {
        key: selector
        for key in _OF_RATIO
        if key in table and (selector := _selector(checks, joined(at, key), table[key])) is not None
    }


def _given(table: Table, keys: Iterable[str]) -> dict[str, object]:
    return {key: table[key] for key in keys if key in table and key != "enabled"}


def apply_slas(checks: Checks, table: Table, slas: Iterable[Sla]) -> list[Sla]:
    """Give `slas` as `[sla]` changes them; mistakes go to `checks`."""
    held = {sla.name: sla for sla in slas}
    for name, value in table.items():
        at = key_text(name)
        if not isinstance(value, Mapping):
            checks(at, f"must be a table, got {shown(value)}")
            continue
        changed = _sla(checks, at, name, value, held.get(name))
        if changed is not None:
            held[name] = changed
        else:
            held.pop(name, None)
    return list(held.values())


def _sla(checks: Checks, at: str, name: str, table: Table, old: Sla | None) -> Sla | None:
    enabled = _is_enabled(checks, at, table)
    objectives = {objective.name: objective for objective in old.objectives} if old else {}
    if old is None and not any(_is_objective(key) for key in table):
        checks(at, "is no SLA that exists, and a new one needs an objective such as p95 or ratio")
    for key, value in table.items():
        if not _is_objective(key):
            if key not in ("description", "enabled"):
                known = "description, enabled, ratio, and quantiles such as p95"
                checks(joined(at, key_text(key)), f"is unknown; known are {known}")
        elif not isinstance(value, Mapping):
            checks(joined(at, key), f"must be a table, got {shown(value)}")
        else:
            objective = _objective(checks, joined(at, key), key, value, objectives)
            if objective is not None:
                objectives[key] = objective
            else:
                objectives.pop(key, None)
    if not enabled or not objectives:
        return None
    fields = {
        "name": name,
        "description": table.get("description", old.description if old else ""),
        "objectives": tuple(objectives.values()),
    }
    return _build(checks, at, table, Sla, fields, ())


def _is_objective(key: str) -> bool:
    return key == "ratio" or _QUANTILE_NAME.fullmatch(key) is not None


def _objective(
    checks: Checks, at: str, name: str, table: Table, held: Mapping[str, Objective]
) -> Objective | None:
    enabled = _is_enabled(checks, at, table)
    fields: dict[str, Any] = {"name": name, "target": None}
    if (old := held.get(name)) is not None:
        fields |= _fields(old)
        for level in ("warning", "violated"):
            if (was := fields[level]) is not None and "target" in table:
                fields[level] = _in_proportion(
                    was, old.target, table["target"], is_ratio=old.kind == "ratio"
                )
    made: Objective | None
    if name == "ratio":
        _known_keys(checks, at, table, (*_LEVELS, *_OF_RATIO))
        fields = {"good": None, "total": None} | fields
        fields |= _given(table, _LEVELS) | _selectors(checks, at, table)
        made = _build(checks, at, table, RatioObjective, fields, _unset(fields))
    else:
        _known_keys(checks, at, table, (*_LEVELS, *_OF_QUANTILE))
        fields = {"metric": None} | _beside(held) | fields | _quantile_of(checks, at, name, table)
        fields |= _given(table, (*_LEVELS, "metric", "tags"))
        made = _build(checks, at, table, QuantileObjective, fields, _unset(fields))
    return made if enabled else None


def _unset(fields: Mapping[str, Any]) -> set[str]:
    return {key for key, value in fields.items() if key in _NEEDED and value is None}


def _fields(value: Objective | AlertRule | Figure) -> dict[str, Any]:
    return {f.name: getattr(value, f.name) for f in attrs.fields(type(value)) if f.init}


def _beside(held: Mapping[str, Objective]) -> dict[str, Any]:
    """Give what a new quantile of an SLA has in common with those it has already."""
    for objective in held.values():
        if isinstance(objective, QuantileObjective):
            return {
                "metric": objective.metric,
                "tags": objective.tags,
                "window": objective.window,
            }
    return {}


def _quantile_of(checks: Checks, at: str, name: str, table: Table) -> dict[str, Any]:
    quantile = float(Fraction(name.removeprefix("p")) / 100)
    if (given := table.get("quantile", quantile)) != quantile:
        checks(
            joined(at, "quantile"), f"must be {quantile:g}, as its name says, got {shown(given)}"
        )
    return {"quantile": quantile}


def apply_alerts(checks: Checks, table: Table, rules: Iterable[AlertRule]) -> list[AlertRule]:
    """Give `rules` as `[alerts]` changes them; mistakes go to `checks`."""
    held = {rule.name: rule for rule in rules}
    for name, value in table.items():
        at = joined("alerts", key_text(name))
        if not isinstance(value, Mapping):
            checks(at, f"must be a table, got {shown(value)}")
            continue
        changed = _rule(checks, at, name, value, held.get(name))
        if changed is not None:
            held[name] = changed
        else:
            held.pop(name, None)
    return list(held.values())


def _rule(
    checks: Checks, at: str, name: str, table: Table, old: AlertRule | None
) -> AlertRule | None:
    _known_keys(checks, at, table, (*_OF_RULE, *_OF_QUANTILE, *_OF_RATIO))
    enabled = _is_enabled(checks, at, table)
    fields: dict[str, Any] = {"name": name, "threshold": None}
    if old is not None:
        fields |= _fields(old)
        if (was := old.resolve_at) is not None and "threshold" in table:
            fields["resolve_at"] = _in_proportion(
                was, old.threshold, table["threshold"], is_ratio=isinstance(old.figure, Ratio)
            )
    fields |= _given(table, _OF_RULE)
    figure = _figure(checks, at, table, old.figure if old else None)
    unset = _unset(fields | _fields(figure))
    made = _build(checks, at, table, AlertRule, fields | {"figure": figure}, unset)
    return made if enabled else None


def _figure(checks: Checks, at: str, table: Table, old: Figure | None) -> Figure:
    """Give the figure of a rule, with None for what is needed and not given."""
    of_quantile = _given(table, _OF_QUANTILE)
    of_ratio = [key for key in _OF_RATIO if key in table]
    if of_quantile and of_ratio:
        both = ", ".join((*of_quantile, *of_ratio))
        checks(at, f"must have metric and quantile, or good and total, but not both: got {both}")
    if of_ratio:
        parts: dict[str, Any] = {"good": None, "total": None}
        parts |= _fields(old) if isinstance(old, Ratio) else {}
        return Ratio(**(parts | _selectors(checks, at, table)))
    if old is not None and not of_quantile:
        return old
    if old is None and not of_quantile:
        checks(at, "must have metric and quantile, or good and total")
        return Quantile(metric="-", quantile=0.5)  # a stand-in, so that the rest gets checked
    asked: dict[str, Any] = {"metric": None, "quantile": None}
    asked |= _fields(old) if isinstance(old, Quantile) else {}
    return Quantile(**(asked | of_quantile))
