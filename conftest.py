"""Runs the python blocks of README.md and of the pages under docs/ as tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

from hhs_perf.cache import tiered
from hhs_perf.cache.options import Options
from hhs_perf.pytest_plugin import pytest_configure  # noqa: F401 - makes its marker known
from tests.postgres import Database, Postgres
from tests.servers import Server, valkey_binary

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def docs_valkey() -> Iterator[Server]:
    """A Valkey that all pages share: each one uses a namespace of its own."""
    with Server(valkey_binary()) as server:
        yield server


@pytest.fixture(scope="session")
def docs_postgres() -> Iterator[Database]:
    """A database that all pages share: each one makes tables of its own."""
    with Postgres() as server:
        yield server.database()


def _patient(**said: Any) -> Options:
    # A shared machine stalls at will, and no example is about the 50 ms that Redis is given.
    return Options(**{**said, "l2_timeout": max(5.0, said["l2_timeout"])})


@pytest.fixture
def docs_environment(
    docs_valkey: Server, docs_postgres: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an example finds in `os.environ`: addresses of servers, which it may wait for."""
    monkeypatch.setenv("REDIS_URL", docs_valkey.url)
    monkeypatch.setenv("DATABASE_URL", docs_postgres.url())
    monkeypatch.setattr(tiered, "Options", _patient)


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    # The examples say Flask(__name__), as an application's module does.
    setup=lambda namespace: namespace.update(__name__="example"),
    fixtures=["docs_environment"],
).pytest()
