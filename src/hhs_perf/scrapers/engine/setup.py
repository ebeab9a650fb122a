"""What a run knows of a platform besides its declaration: credentials, pace, budget, transport."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ...exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..._settings import ScraperSettings
    from ..platform import Credentials, Platform

__all__ = ["PlatformSetup", "configure", "variables_of"]


@attrs.frozen(kw_only=True)
class PlatformSetup:
    """A platform as the environment sets it up."""

    platform: Platform
    interval: float
    """Seconds between two starts."""
    credentials: Credentials = attrs.field(repr=False)
    missing: tuple[str, ...]
    """Variables without which it cannot be asked."""
    limit: float | None
    """The most that a UTC day may cost, in the unit of its budget."""


def variables_of(platform: Platform) -> tuple[str, ...]:
    """Name the variables that a platform reads."""
    prefix = f"HHS_PERF_{platform.name.upper()}_"
    held = tuple(each.variable(platform.name) for each in platform.credentials)
    budget = (f"{prefix}BUDGET",) if platform.budget is not None else ()
    return (*held, f"{prefix}URL", f"{prefix}INTERVAL", *budget)


def configure(
    platforms: Iterable[Platform], settings: ScraperSettings, variables: Mapping[str, str]
) -> dict[str, PlatformSetup]:
    """Set up each platform; of two of a name the later one is taken.

    Raises ConfigurationError for variables that are no numbers or no URL, all of them at once.
    """
    problems: list[str] = []
    setups = {}
    for platform in platforms:
        prefix = f"HHS_PERF_{platform.name.upper()}_"
        url = variables.get(f"{prefix}URL", "").strip().rstrip("/")
        if url and not url.startswith(("https://", "http://")):
            problems.append(f"{prefix}URL: must be an http or https URL")
            url = ""
        credentials = {
            each.name: value.strip()
            for each in platform.credentials
            if (value := variables.get(each.variable(platform.name)))
        }
        pace = _number(variables, f"{prefix}INTERVAL", problems)
        limit = _number(variables, f"{prefix}BUDGET", problems)
        if limit is None and platform.budget is not None:
            limit = platform.budget.limit
        own = settings.interval if platform.interval is None else platform.interval
        setups[platform.name] = PlatformSetup(
            platform=_led_to(platform, url) if url else platform,
            interval=own if pace is None else pace,
            credentials=credentials,
            missing=platform.missing(credentials),
            limit=limit,
        )
    if problems:
        raise ConfigurationError(problems)
    return setups


def _led_to(platform: Platform, url: str) -> Platform:
    # One server stands for all that the addresses name.
    return attrs.evolve(platform, base_url=url, many_hosts=False)


def _number(variables: Mapping[str, str], name: str, problems: list[str]) -> float | None:
    text = variables.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        problems.append(f"{name}: must be a number of 0 or more, got {text!r}")
        return None
    return value
