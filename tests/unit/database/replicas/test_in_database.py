"""A router that a monitor's database part shows."""

from __future__ import annotations

import pytest

from tests.database_rig import Rig


@pytest.fixture
def rig(clock, tmp_path):
    made = Rig(tmp_path, clock)
    yield made
    made.close()


def test_the_faults_of_a_router_are_the_monitors(rig, world):
    router = world.router()
    rig.database.add(router)
    world.probes[world.replica].sees = ValueError("the probe is wrong")
    router.probe()
    assert rig.monitor.faults == {"probing replica-1: ValueError": 1}


def test_an_engine_with_options_has_the_role_of_the_one_it_was_made_from(rig, world):
    router = world.router(world.replica.execution_options(a=1))
    rig.database.instrument(world.primary)
    rig.database.instrument(world.replica)
    rig.database.add(router)
    roles = {each.name: each.role for each in rig.database.report().engines}
    assert sorted(roles.values()) == ["other", "primary", "replica"]
    [replica] = [name for name, role in roles.items() if role == "replica"]
    assert "replica.db" in replica
