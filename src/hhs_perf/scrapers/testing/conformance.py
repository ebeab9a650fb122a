"""The suite that every platform passes: `pytest --pyargs hhs_perf.scrapers.testing.conformance`.

By default it tries the bundled platforms and those of all installed plugins. The plugin of
hhs_perf for pytest has the options `--hhs-perf-platform package.module:PLATFORM`, which names
platforms to try instead, and `--hhs-perf-samples package.module:SAMPLES`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import checks

if TYPE_CHECKING:
    from ..platform import Platform
    from .samples import Sample

Samples = tuple["Sample", ...]


def test_declaration(hhs_perf_platform: Platform) -> None:
    """The declaration is whole: title, figures, HTTPS, where to get credentials."""
    checks.check_declaration(hhs_perf_platform)


def test_samples(hhs_perf_platform: Platform, hhs_perf_samples: Samples) -> None:
    """There is a sample to try the other rules with."""
    checks.check_samples(hhs_perf_platform, hhs_perf_samples)


def test_addresses(hhs_perf_platform: Platform, hhs_perf_samples: Samples) -> None:
    """An address gives its handle however it is written, and nobody's address gives none."""
    checks.check_addresses(hhs_perf_platform, hhs_perf_samples)


def test_handles(hhs_perf_platform: Platform, hhs_perf_samples: Samples) -> None:
    """A handle is written one way, and stays so."""
    checks.check_handles(hhs_perf_platform, hhs_perf_samples)


def test_requests(hhs_perf_platform: Platform, hhs_perf_samples: Samples) -> None:
    """Requests go to the platform's own host, and show no secret."""
    checks.check_requests(hhs_perf_platform, hhs_perf_samples)


def test_batches(hhs_perf_platform: Platform, hhs_perf_samples: Samples) -> None:
    """Of a batch, each account gets its own figures, and one left out gets none."""
    checks.check_batches(hhs_perf_platform, hhs_perf_samples)


def test_figures(hhs_perf_platform: Platform, hhs_perf_samples: Samples) -> None:
    """The samples give what they are said to give, every time."""
    checks.check_figures(hhs_perf_platform, hhs_perf_samples)


def test_hostile_replies(hhs_perf_platform: Platform, hhs_perf_samples: Samples) -> None:
    """A page, a fragment or other JSON never gives a figure."""
    checks.check_hostile_replies(hhs_perf_platform, hhs_perf_samples)


def test_hostile_numbers(hhs_perf_platform: Platform, hhs_perf_samples: Samples) -> None:
    """Null is never 0, 0 is 0, and what is no count is not taken for one."""
    checks.check_hostile_numbers(hhs_perf_platform, hhs_perf_samples)


def test_statuses(hhs_perf_platform: Platform, hhs_perf_samples: Samples) -> None:
    """A reply of a bad status is a failure of the right kind."""
    checks.check_statuses(hhs_perf_platform, hhs_perf_samples)


def test_limits(hhs_perf_platform: Platform, hhs_perf_samples: Samples) -> None:
    """What is read of limits are numbers, whatever the headers say."""
    checks.check_limits(hhs_perf_platform, hhs_perf_samples)
