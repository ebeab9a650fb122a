"""Settings as a table shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import attrs

from ._settings import Source, setting_fields

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._settings import Settings

__all__ = ["SettingRow", "describe"]


# No slots: msgspec would write the fields last first.
@attrs.frozen(kw_only=True, slots=False)
class SettingRow:
    """One setting; a secret's value is masked."""

    variable: str
    value: str
    source: Source
    default: str
    meaning: str


def _shown(value: object, mask: Callable[[object], str] | None = None) -> str:
    if value is None or value == ():
        return ""
    if mask is not None:
        return mask(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def describe(settings: Settings) -> tuple[SettingRow, ...]:
    """List every setting with its value, where that comes from, and what it means."""
    rows = []
    for group, field in setting_fields():
        holder: object = settings if group is None else getattr(settings, group)
        value = getattr(holder, field.name)
        made = "default" if value == field.default else "code"
        variable = field.metadata["variable"]
        rows.append(
            SettingRow(
                variable=variable,
                value=_shown(value, field.metadata["mask"]),
                source=settings.sources.get(variable, cast("Source", made)),
                default=_shown(field.default),
                meaning=field.metadata["meaning"],
            )
        )
    return tuple(rows)
