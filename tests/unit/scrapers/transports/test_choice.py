"""Which library is taken."""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import ModuleSpec

import pytest

from hhs_perf.exceptions import ConfigurationError
from hhs_perf.scrapers.platform import Call, Platform
from hhs_perf.scrapers.transport import TransportOptions
from hhs_perf.scrapers.transports import TRANSPORTS, choice, factory_of

PLATFORM = Platform(
    name="fake",
    title="Fake",
    base_url="https://fake.invalid",
    match=lambda address: None,
    build=lambda targets, credentials: Call(path="/"),
    parse=lambda reply, targets: {},
    figures=(),
)
OPTIONS = TransportOptions(
    connect_timeout=1,
    read_timeout=1,
    total_timeout=1,
    max_body=1,
    user_agent="a",
    max_connections=1,
)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The libraries that seem to be there."""
    names: set[str] = set()
    monkeypatch.setattr(
        choice, "find_spec", lambda name: ModuleSpec(name, None) if name in names else None
    )
    return names


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        ({"httpx"}, "HttpcoreTransport"),
        ({"httpx", "httpx2"}, "HttpcoreTransport"),
        ({"httpx", "aiohttp"}, "AiohttpTransport"),
    ],
)
async def test_the_fastest_that_is_installed_is_taken(
    installed: set[str], there: set[str], taken: str
) -> None:
    """Without being asked for."""
    installed |= there
    transport = factory_of()(PLATFORM, OPTIONS)
    assert type(transport).__name__ == taken
    await transport.close()


@pytest.mark.parametrize("name", [*TRANSPORTS, "auto"])
def test_a_library_that_is_missing_is_named(installed: set[str], name: str) -> None:
    """Before the first request."""
    said = r"hhs-perf\[(scrapers|aiohttp)\]|httpx2, which is not installed"
    with pytest.raises(ConfigurationError, match=said):
        factory_of(name)


async def test_transports_of_one_factory_share_a_tls_context(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Making one takes longer than a request."""
    made: list[object] = []
    make = choice.make_context
    monkeypatch.setattr(choice, "make_context", lambda: made.append(1) or make())
    factory = factory_of("httpx")
    for _ in range(3):
        await factory(PLATFORM, OPTIONS).close()
    assert len(made) == 1


async def test_a_proxy_that_is_not_understood_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Going round it might go where nobody may."""
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:1")
    for name in TRANSPORTS:
        with pytest.raises(ConfigurationError, match="proxy"):
            factory_of(name)(PLATFORM, OPTIONS)


def test_no_library_is_loaded_before_it_is_used() -> None:
    """They take longer to import than all the rest."""
    code = (
        "import sys; import hhs_perf.scrapers.transports as t; t.factory_of();"
        "print({'httpx', 'httpcore', 'httpx2', 'httpcore2', 'aiohttp', 'h11'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"
