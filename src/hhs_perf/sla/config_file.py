"""The TOML file that changes, adds and drops SLAs and alert rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from .._toml import parse_toml, read_toml
from ..exceptions import ConfigurationError
from ._checks import Checks, key_text, shown

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from .objectives import Sla
    from .rules import AlertRule

__all__ = ["apply", "configure"]

_TABLES: Final = ("sla", "alerts")


def apply(
    text_or_table: str | Mapping[str, object],
    slas: Iterable[Sla],
    alerts: Iterable[AlertRule],
    source: str,
    *,
    settings_allowed: bool = False,
) -> tuple[list[Sla], list[AlertRule]]:
    """Change `slas` and `alerts` as a file says: TOML text, or the table it was parsed to.

    `[sla.<name>]` has `description`, `enabled` and the tables `p95` (any `pNN`) and `ratio`;
    `[alerts.<name>]` has the fields of an AlertRule. Of what exists only the keys given change.
    A new target takes the levels beside it along in proportion, unless they are given too.
    `settings_allowed` lets a `[settings]` table pass. Raises ConfigurationError with all
    mistakes at once; each starts with `source` and the key.
    """
    from ._tables import apply_alerts, apply_slas  # noqa: PLC0415 - slow, and most have no file

    table = parse_toml(text_or_table, source) if isinstance(text_or_table, str) else text_or_table
    checks = Checks()
    for key, value in table.items():
        if key == "settings":
            if not settings_allowed:
                checks(key, "stands here in vain: only the file HHS_PERF_CONFIG has settings")
        elif key not in _TABLES:
            checks(key_text(key), f"is unknown; known are {', '.join(_TABLES)}")
        elif not isinstance(value, Mapping):
            # In brackets, since `alerts` alone could be the name of an SLA.
            checks(f"[{key}]", f"must be a table, got {shown(value)}")
    changed_slas = apply_slas(checks, _table(table, "sla"), slas)
    changed_alerts = apply_alerts(checks, _table(table, "alerts"), alerts)
    if checks.problems:
        raise ConfigurationError(f"{source}: {problem}" for problem in checks.problems)
    return changed_slas, changed_alerts


def _table(table: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = table.get(key)
    return value if isinstance(value, Mapping) else {}


def configure(
    slas: Iterable[Sla],
    alerts: Iterable[AlertRule],
    *,
    config: Path | None = None,
    sla_file: Path | None = None,
) -> tuple[dict[str, Sla], list[AlertRule]]:
    """Give the SLAs, by name, and alert rules that hold: those given, changed by the files.

    Of equal names the last one given holds. `config` is read first; it may have settings.
    Raises ConfigurationError with the mistakes of both files at once.
    """
    held = list({sla.name: sla for sla in slas}.values())
    rules = list({rule.name: rule for rule in alerts}.values())
    problems: list[str] = []
    for path, settings_allowed in ((config, True), (sla_file, False)):
        if path is None:
            continue
        try:
            held, rules = apply(
                read_toml(path), held, rules, str(path), settings_allowed=settings_allowed
            )
        except ConfigurationError as exc:
            problems += exc.problems
    if problems:
        raise ConfigurationError(problems)
    return {sla.name: sla for sla in held}, rules
