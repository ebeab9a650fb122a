"""What the tests of the replicas share."""

from __future__ import annotations

import contextlib

import pytest

from hhs_perf import _scope
from hhs_perf.database.replicas import tokens
from tests.replica_worlds import World


@pytest.fixture
def world(tmp_path, clock):
    with contextlib.ExitStack() as stack:
        yield World(tmp_path, clock, stack)


@pytest.fixture(autouse=True)
def own_context():
    """Keep apart what each test wrote: pytest runs all of them in one context."""
    token, request = tokens._written.set(None), _scope.current.set(None)
    yield
    _scope.current.reset(request)
    tokens._written.reset(token)
