"""What the tests of the command line share."""

from __future__ import annotations

import pytest

from hhs_perf import Settings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine reaches a test."""
    for row in Settings.from_env({}).sources:
        monkeypatch.delenv(row, raising=False)
