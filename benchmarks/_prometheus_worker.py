"""One worker of prometheus_client's multiprocess mode: writes its file and ends.

Usage: ``python -m benchmarks._prometheus_worker SERIES VALUES`` with ``PROMETHEUS_MULTIPROC_DIR``
set.  It holds what ``_fill.Filled`` holds: half the series by method and route, half by statement.
"""

from __future__ import annotations

import sys

from prometheus_client import Histogram

from benchmarks.scenarios import dataset


def main(series: int, count: int) -> None:
    """Observe ``count`` values in each of ``series`` series."""
    requests = Histogram("http_server_request_duration", "seconds", ["method", "route"])
    queries = Histogram("db_query_duration", "seconds", ["statement"])
    values = dataset("lognormal", count, seed=1)
    for n in range(series // 2):
        route = f"/api/v1/accounts/{{account}}/things{n}/{{thing}}"
        for child in (
            requests.labels("GET", route),
            queries.labels(f"SELECT things{n} WHERE id = ?"),
        ):
            for value in values:
                child.observe(value)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
