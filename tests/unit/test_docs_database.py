"""The pages on databases say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hhs_perf import database
from hhs_perf.advice import n_plus_one, pools
from hhs_perf.database import looking, partitions, profile
from hhs_perf.database.indexes import gate, proof, usage, widths
from hhs_perf.database.n_plus_one import book, loops, watch
from hhs_perf.database.pools import sizing
from hhs_perf.database.seen import masking, shapes, slow, statements

DOCS = Path(__file__).parents[2] / "docs"
BOUNDS = {
    "statements told apart": (statements._MOST_STATEMENTS,),
    "texts of driver SQL remembered": (shapes._MOST_TEXTS, shapes._LONGEST_TEXT),
    "characters of a statement that are read, and shown": (
        masking.LONGEST,
        shapes._LONGEST_SHOWN,
    ),
    "routes, and lines, of one statement": (statements._MOST_ROUTES, statements._MOST_LINES),
    "slow executions": (slow._MOST_SHOWN, slow._MOST_KEPT),
    "N+1 queries": (book._MOST_HELD,),
    "profiles, and queries of each": (profile._MOST_PROFILES, profile.MOST_QUERIES),
}
WORDS = {3: "three", 5: "five", 10: "ten"}


def _read(page: str) -> str:
    return (DOCS / page).read_text("utf-8")


@pytest.mark.parametrize("what", BOUNDS)
def test_a_bound_stands_in_the_docs_as_it_is_in_the_code(what: str) -> None:
    page = _read("explanation/what-is-timed-in-databases.md")
    found = re.search(rf"^\| {re.escape(what)} \| (.+) \|$", page, flags=re.MULTILINE)
    assert found is not None
    numbers = [int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", found[1])]
    assert numbers == list(BOUNDS[what])


def test_what_makes_an_n_plus_one_stands_in_the_docs() -> None:
    page = _read("explanation/n-plus-one.md")
    assert f"for **{WORDS[watch.MIN_PARENTS]}** parents or more" in page
    assert f"the same SELECT **{WORDS[loops.MIN_TURNS]}** times or more" in page
    how_to = _read("how-to/query-n-plus-one.md")
    assert f"given from {WORDS[n_plus_one.N_PLUS_ONE_QUERIES]} queries on" in how_to


def test_the_levels_of_the_advice_on_pools_stand_in_the_docs() -> None:
    page = _read("how-to/pool-size.md")
    assert pools.POOL_WAIT == sizing.LONGEST_WAIT
    assert f"at most {sizing.LONGEST_WAIT * 1000:g} ms" in page
    assert f"{sizing.HIGHEST_UTILISATION * 100:g} % in use" in page
    assert f"over {pools.POOL_CHECKOUTS} checkouts or more" in page


def test_when_indexes_are_looked_for_and_advised_stands_in_the_docs() -> None:
    often = f"every {WORDS[round(looking.EVERY / 60)]} minutes at most"
    assert often in _read("how-to/find-indexes.md")
    assert f"less than {proof.LEAST_GAIN:g} times cheaper is not" in _read("how-to/find-indexes.md")
    profiling = f"every {WORDS[round(looking._EVERY_PROFILING)]} seconds"
    assert profiling in _read("how-to/query-profile.md")


@pytest.mark.parametrize("page", ["how-to/find-indexes.md", "reference/database-report.md"])
def test_what_is_too_thin_for_an_advice_on_indexes_stands_in_the_docs(page: str) -> None:
    text = _read(page)
    assert f"below {gate.FEWEST_ROWS:,} rows" in text
    assert f"more than {widths.WIDEST:.0f} bytes on average" in text
    assert f"about {widths.LONGEST:,}" in text
    assert f"{usage.YOUNG / 86_400:.0f} days" in text


def test_the_public_names_of_the_database_part_stand_in_its_api_page() -> None:
    text = _read("reference/database-api.md")
    missing = [name for name in database.__all__ if not re.search(rf"\b{name}\b", text)]
    assert missing == []


def test_the_methods_of_the_database_stand_in_its_api_page() -> None:
    text = _read("reference/database-api.md")
    by_the_monitor = {"tick", "close", "after_fork_in_child"}
    own = {name for name in vars(database.Database) if not name.startswith("_")} - by_the_monitor
    assert {name for name in own if not re.search(rf"\b{name}\b", text)} == set()


def test_the_functions_on_partitions_stand_in_the_api_page() -> None:
    text = _read("reference/database-api.md")
    functions = {name for name in partitions.__all__ if name.islower()}
    assert {name for name in functions if not re.search(rf"\b{name}\b", text)} == set()
