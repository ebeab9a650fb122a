"""What `hhs-perf settings` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from .._setting_rows import describe
from .._settings import Settings
from ..metrics import load_engine
from ._console import cell

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["active_engine", "settings_json", "settings_table"]


def active_engine(environ: Mapping[str, str]) -> str:
    """Name the t-digest engine that these settings choose; raises `ConfigurationError`."""
    return load_engine(Settings.from_env(environ).metrics.digest).name


def settings_table(environ: Mapping[str, str]) -> Table:
    """Lay out every variable with its value, masked if secret, its source and its meaning."""
    table = Table(title="Settings", title_justify="left")
    table.add_column("variable", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("source", no_wrap=True)
    table.add_column("meaning")
    for row in describe(Settings.from_env(environ)):
        table.add_row(
            cell(row.variable),
            cell(row.value),
            cell(row.source, "" if row.source == "default" else "bold"),
            cell(row.meaning),
        )
    return table


def settings_json(environ: Mapping[str, str]) -> dict[str, object]:
    """Give the same as JSON-ready values."""
    return {
        "digest_engine": active_engine(environ),
        "settings": [
            {
                "variable": row.variable,
                "value": row.value,
                "source": row.source,
                "default": row.default,
                "meaning": row.meaning,
            }
            for row in describe(Settings.from_env(environ))
        ],
    }
