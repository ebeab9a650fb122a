"""What an N+1 detector must find, and where it must keep silent.

Ignorant of the code that it judges: each scenario is a small piece of an application, written
from what its author would call an N+1, with the kind, the line, the number of repeated statements
and the loader option that a good answer names.  A finding counts as an N+1 from three parents or
objects on, and a statement in a loop from five repeats on; scenarios stay well clear of both.

Left out, since users would not agree on them:

* Pages by keyset (``WHERE id > :last LIMIT 5`` in a while loop): on purpose a batch at a time,
  yet nothing in the statement tells it from the next rows of one parent after the other.
* Polling, and one statement with equal values in a loop: wasteful, but not N+1.
* A chain of parents of one object (``node = node.parent``): a recursive query cures it, no loader.
* Reading an empty collection of objects that were just flushed.
* Each user fetched by ``get()`` in a loop and its orders read on the next line, where one or two
  findings are right.
"""

from __future__ import annotations

from typing import Final

from benchmarks import (
    _n_plus_one_async,
    _n_plus_one_batches,
    _n_plus_one_innocent,
    _n_plus_one_lazy,
    _n_plus_one_loops,
    _n_plus_one_peers,
    _n_plus_one_refresh,
    _n_plus_one_zeal,
)
from benchmarks._n_plus_one import (
    MARK,
    Expected,
    Kind,
    Scenario,
    marked_lines,
    run_async,
    run_sync,
)
from benchmarks.n_plus_one_models import prepare, prepare_async

__all__ = [
    "MARK",
    "SCENARIOS",
    "Expected",
    "Kind",
    "Scenario",
    "marked_lines",
    "prepare",
    "prepare_async",
    "run_async",
    "run_sync",
]

SCENARIOS: Final[tuple[Scenario, ...]] = (
    *_n_plus_one_lazy.SCENARIOS,
    *_n_plus_one_refresh.SCENARIOS,
    *_n_plus_one_loops.SCENARIOS,
    *_n_plus_one_innocent.SCENARIOS,
    *_n_plus_one_batches.SCENARIOS,
    *_n_plus_one_async.SCENARIOS,
    *_n_plus_one_peers.SCENARIOS,
    *_n_plus_one_zeal.SCENARIOS,
)

# Cases of the peers' suites that are not told here:
#
# * Eager loads that nobody uses (nplusone and nplus1: test_eager_join_unused,
#   test_eager_subquery_unused, test_eager_nested_unused, test_prefetch_*_unused,
#   test_select_*_unused, test_empty_prefetch_*, test_prune_*): the opposite of an N+1; to see
#   them, every attribute access would have to be watched.
# * What concerns their interfaces: allowlists, whitelists and ignore contexts, notifiers, logging
#   and batch reports, disabled detection, excluded addresses, receivers and their clean-up, the
#   middlewares of Django, WSGI and Celery; and the names of the arguments of their signals.
# * What concerns Django alone: result caches of querysets (django-zeal: test_m2m_*_preserves),
#   models that compare equal by their relations, managers without a related name (SQLAlchemy
#   names both sides), DRF's create(); and Peewee's joins by hand.
