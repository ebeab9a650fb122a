"""The page on tests of scrapers keeps up with the faults that there are."""

from __future__ import annotations

import re
from pathlib import Path

from hhs_perf.scrapers.testing import FAULT_KINDS

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "scrape-tests.md"


def test_every_kind_of_fault_stands_on_the_page_and_no_other() -> None:
    """In the first column of its table."""
    rows = re.findall(r"^\| (`.*?) \|", PAGE.read_text(), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == set(FAULT_KINDS)
