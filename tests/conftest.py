"""What all tests share: a clock that is moved by hand, and hypothesis without a database."""

from __future__ import annotations

import pytest
from hypothesis import settings

from hhs_perf.testing import FakeClock

# A shared machine stalls at will, so no example has a deadline; the run's own timeout stays.
settings.register_profile("hhs_perf", deadline=None, database=None)
settings.load_profile("hhs_perf")


@pytest.fixture
def clock() -> FakeClock:
    """A clock at the start of a day, and so of a slot of any length."""
    return FakeClock(wall=1_700_006_400.0)
