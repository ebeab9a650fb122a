"""Where engines lead, and which one does the work."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from hhs_perf.database.addresses import address_of, root_of, sync_engine_of


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("postgresql+psycopg://me:secret@h:5433/d?sslmode=require", "postgresql://h:5433/d"),
        ("postgresql+psycopg:///d?host=a&host=b", "postgresql://a,b/d"),
        ("postgresql+psycopg://me@[::1]/d", "postgresql://[::1]/d"),
        ("sqlite:////srv/x.db", "sqlite:////srv/x.db"),
        ("sqlite://", "sqlite://"),
    ],
)
def test_an_address_has_no_user_password_driver_and_options(url: str, address: str) -> None:
    """But it has the host, wherever that is said."""
    assert address_of(create_engine(url)) == address


def test_the_root_is_what_options_were_given_to() -> None:
    """However often."""
    engine = create_engine("sqlite://")
    again = engine.execution_options(a=1).execution_options(b=2)
    assert root_of(again) is root_of(engine) is engine


def test_an_async_engine_has_one_that_does_the_work() -> None:
    """Any other engine does it itself."""
    held = create_async_engine("sqlite+aiosqlite://")
    assert sync_engine_of(held) is held.sync_engine
    assert sync_engine_of(held.sync_engine) is held.sync_engine
