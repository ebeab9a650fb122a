"""What `hhs-perf settings` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from .._setting_rows import describe
from ._console import cell

if TYPE_CHECKING:
    from .._settings import Settings

__all__ = ["settings_json", "settings_table"]


def settings_table(settings: Settings) -> Table:
    """Lay out every variable with its value, masked if secret, its source and its meaning."""
    table = Table(title="Settings", title_justify="left")
    table.add_column("variable", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("source", no_wrap=True)
    table.add_column("meaning")
    for row in describe(settings):
        table.add_row(
            cell(row.variable),
            cell(row.value),
            cell(row.source, "" if row.source == "default" else "bold"),
            cell(row.meaning),
        )
    return table


def settings_json(settings: Settings, engine: str) -> dict[str, object]:
    """Give the same, and the digest engine's name, as JSON-ready values."""
    return {
        "digest_engine": engine,
        "settings": [
            {
                "variable": row.variable,
                "value": row.value,
                "source": row.source,
                "default": row.default,
                "meaning": row.meaning,
            }
            for row in describe(settings)
        ],
    }
