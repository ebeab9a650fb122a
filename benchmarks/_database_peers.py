"""How others watch SQLAlchemy: each in a process of its own, as they patch what all engines share.

Usage: ``python -m benchmarks._database_peers PEER URL``.  A line on stdin names a kind of work; the
answer is the CPU time of a turn of it in seconds, a line on stdout.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, cast, get_args

from sqlalchemy import Engine, event

from benchmarks._database import IN_MEMORY, Turns, Work, make_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT: Final = Path(__file__).parent.parent
MOST_SPANS: Final = 2000


def _otel() -> None:
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
    from opentelemetry.sdk.trace import TracerProvider

    # It declares that it works below SQLAlchemy 2.1 and would do nothing.
    SQLAlchemyInstrumentor().instrument(tracer_provider=TracerProvider(), skip_dep_check=True)


def _otel_metered() -> None:
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

    SQLAlchemyInstrumentor().instrument(
        tracer_provider=TracerProvider(), meter_provider=MeterProvider(), skip_dep_check=True
    )


def _sentry() -> None:
    import sentry_sdk
    from sentry_sdk.integrations.sqlalchemy import SqlalchemyIntegration
    from sentry_sdk.transport import Transport

    class Nowhere(Transport):
        def capture_envelope(self, envelope: object) -> None:
            """Send nothing."""

    sentry_sdk.init(
        "http://key@127.0.0.1:9/1",
        transport=Nowhere,
        traces_sample_rate=1.0,
        integrations=[SqlalchemyIntegration()],
        default_integrations=False,
        _experiments={"max_spans": MOST_SPANS},
    )


def _sentry_around() -> Any:  # noqa: ANN401 - Sentry's transaction
    import sentry_sdk

    return sentry_sdk.start_transaction(name="turn")


def _elastic() -> None:
    import elasticapm

    client = elasticapm.Client(
        service_name="bench",
        disable_send=True,
        central_config=False,
        metrics_interval="0ms",
        cloud_provider="none",
        transaction_max_spans=MOST_SPANS,
    )
    elasticapm.instrument()
    _HELD.append(client)


_HELD: Final[list[Any]] = []


@contextmanager
def _elastic_around() -> Iterator[None]:
    client = _HELD[0]
    client.begin_transaction("request")
    yield
    client.end_transaction("turn", "success")


def _asgi_profiler() -> None:
    from asgi_profiler import instrument

    instrument.install()


@contextmanager
def _asgi_profiler_around() -> Iterator[None]:
    import threading

    from asgi_profiler.instrument import current_origin, current_queries

    token = current_queries.set([])
    origin = current_origin.set((time.perf_counter(), threading.get_ident()))
    yield
    current_queries.reset(token)
    current_origin.reset(origin)


def _recipe() -> None:
    # https://docs.sqlalchemy.org/en/21/faq/performance.html#query-profiling
    @event.listens_for(Engine, "before_cursor_execute")
    def before(connection: Any, *_: object) -> None:  # noqa: ANN401 - a connection
        connection.info.setdefault("query_start_time", []).append(time.time())

    @event.listens_for(Engine, "after_cursor_execute")
    def after(connection: Any, *_: object) -> None:  # noqa: ANN401 - likewise
        totals.append(time.time() - connection.info["query_start_time"].pop(-1))
        if len(totals) > MOST_SPANS:
            totals.clear()

    totals: list[float] = []


OTEL: Final = "OpenTelemetry SDK, no exporter"
METERED: Final = "OpenTelemetry SDK, its pool metrics on"
SENTRY: Final = "sentry-sdk, traces 1.0"
ELASTIC: Final = "elastic-apm"
PROFILER: Final = "asgi-profiler"
RECIPE: Final = "the recipe of SQLAlchemy's FAQ"
_PEERS: Final[dict[str, tuple[Callable[[], None], Callable[[], Any]]]] = {
    OTEL: (_otel, nullcontext),
    METERED: (_otel_metered, nullcontext),
    SENTRY: (_sentry, _sentry_around),
    ELASTIC: (_elastic, _elastic_around),
    PROFILER: (_asgi_profiler, _asgi_profiler_around),
    RECIPE: (_recipe, nullcontext),
}
QUERY_PEERS: Final = (OTEL, SENTRY, ELASTIC, PROFILER, RECIPE)


class PeerProcess:
    """A process in which one peer watches."""

    def __init__(self, peer: str, url: str = IN_MEMORY) -> None:
        command = [sys.executable, "-m", "benchmarks._database_peers", peer, url]
        self._process = subprocess.Popen(
            command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._read()

    def turn(self, work: Work) -> float:
        """Have a turn of work done; return the CPU seconds it took."""
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(work + "\n")
        stdin.flush()
        return float(self._read())

    def _read(self) -> str:
        stdout = self._process.stdout
        assert stdout is not None
        line = stdout.readline()
        assert line, "the peer's process ended"
        return line

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def main(peer: str, url: str) -> None:
    """Answer until the end of stdin."""
    begin, around = _PEERS[peer]
    begin()
    turns = Turns(make_engine(url))
    works = {work: turns.turn(cast("Work", work)) for work in get_args(Work)}
    print("ready", flush=True)
    for line in sys.stdin:
        turn = works[cast("Work", line.strip())]
        gc.collect()
        with around():
            begun = time.process_time()
            turn()
            # What a peer does at the end of a request, and its export, is not charged to it.
            cost = time.process_time() - begun
        print(cost, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
