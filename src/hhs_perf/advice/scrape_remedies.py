"""What helps against each kind of failure of a scrape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["remedy_of"]

# {P} is the platform in capitals.
_REMEDIES: Final[Mapping[str, str]] = {
    "rate_limited": """
        it was asked too often, or wants longer pauses than a run waits for: raise
        HHS_PERF_{P}_INTERVAL, or HHS_PERF_SCRAPE_MAX_WAIT""",
    "quota_exhausted": """
        what it allows is used up: scrape fewer accounts or less often, or get a larger allowance,
        and set HHS_PERF_{P}_BUDGET so that core accounts get what there is""",
    "auth": """
        its credentials are wrong or have expired: renew them, `hhs-perf platforms` names them""",
    "forbidden": """
        the credentials do not allow it, or the accounts are private: check what the token may
        read, and take private accounts off the list""",
    "not_found": """
        it has no such accounts: correct their addresses, or take them off the list""",
    "suspended": """
        the accounts are suspended or deactivated: mark them as not active""",
    "challenge": """
        login pages or tests for robots come back: check HHS_PERF_{P}_URL, the credentials and the
        way out of this network""",
    "schema_changed": """
        its replies are not what it documents: take a newer version of hhs_perf, or of the plugin
        that brings the platform""",
    "network": """
        no reply came: check the way out of this network, or raise HHS_PERF_SCRAPE_READ_TIMEOUT""",
    "server": """
        it says that it failed itself: scrape at another hour, or raise
        HHS_PERF_SCRAPE_ATTEMPTS""",
}
_SETTINGS: Final[Mapping[str, str]] = {
    "rate_limited": "HHS_PERF_{P}_INTERVAL",
    "quota_exhausted": "HHS_PERF_{P}_BUDGET",
    "auth": "credentials",
    "forbidden": "credentials",
    "not_found": "accounts",
    "suspended": "accounts",
    "challenge": "HHS_PERF_{P}_URL",
    "schema_changed": "plugin",
    "network": "HHS_PERF_SCRAPE_READ_TIMEOUT",
    "server": "HHS_PERF_SCRAPE_ATTEMPTS",
}


def remedy_of(platform: str, kind: str) -> tuple[str, str]:
    """Give what is wrong and what helps, and what changes it."""
    remedy = " ".join(_REMEDIES.get(kind, "see the newest of them").split())
    setting = _SETTINGS.get(kind, "accounts")
    capitals = platform.upper()
    return remedy.replace("{P}", capitals), setting.replace("{P}", capitals)
