"""An application that caches no responses does not pay for it when it starts."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys
import hhs_perf.adapters.{name} as adapter
loaded = [module for module in sys.modules if module.startswith(("hhs_perf.cache", "cachetools"))]
assert not loaded, loaded
assert adapter.cached_response is adapter.cached_response
assert set(adapter.__all__) == {{"cached_response", "init_app"}}
try:
    adapter.nothing
except AttributeError:
    print("light")
"""


@pytest.mark.parametrize("name", ["flask", "fastapi"])
def test_the_cache_is_loaded_when_it_is_asked_for(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(name=name)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "light\n"
