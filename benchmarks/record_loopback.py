"""Record the real trace of ``data/loopback_trace.txt``: an asyncio server that asks SQLite.

Run ``python -m benchmarks.record_loopback`` to record a new one.  Eight clients on loopback send
20,000 requests to a small server; each request reads by key, by range, or writes, so that the
latencies have the shape that real handlers have: several modes, queueing, and a tail of commits.
The file holds the latencies in microseconds, as the clients saw them, in the order they ended.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import tempfile
import time
from pathlib import Path

REQUESTS = 20_000
CLIENTS = 8
ACCOUNTS = 5_000
TRACE = Path(__file__).parent / "data" / "loopback_trace.txt"


def _database(folder: str) -> sqlite3.Connection:
    """Open a SQLite file with some accounts and a month of snapshots each."""
    connection = sqlite3.connect(f"{folder}/trace.sqlite", isolation_level=None)
    connection.executescript(
        "PRAGMA journal_mode=WAL;"
        "CREATE TABLE snapshot(account INT, day INT, followers INT, PRIMARY KEY(account, day));"
    )
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO snapshot VALUES (?, ?, ?)",
        ((account, day, account * day) for account in range(ACCOUNTS) for day in range(30)),
    )
    connection.execute("COMMIT")
    return connection


def _answer(connection: sqlite3.Connection, kind: str, account: int) -> bytes:
    """Do what one request asks and return a short body."""
    if kind == "point":
        sql = "SELECT followers FROM snapshot WHERE account = ? AND day = 29"
        return repr(connection.execute(sql, (account,)).fetchone()).encode()
    if kind == "range":
        sql = "SELECT sum(followers) FROM snapshot WHERE account BETWEEN ? AND ?"
        return repr(connection.execute(sql, (account, account + 40)).fetchone()).encode()
    sql = "UPDATE snapshot SET followers = followers + 1 WHERE account = ?"
    return repr(connection.execute(sql, (account,)).rowcount).encode()


async def _client(port: int, name: int, requests: int, latencies: list[int]) -> None:
    """Send requests one after the other on one connection."""
    rng = random.Random(name)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(requests):
        kind = rng.choices(("point", "range", "write"), weights=(80, 15, 5))[0]
        begun = time.perf_counter()
        writer.write(f"{kind} {rng.randrange(ACCOUNTS)}\n".encode())
        await reader.readline()
        latencies.append(round((time.perf_counter() - begun) * 1e6))
    writer.close()
    await writer.wait_closed()


async def record() -> list[int]:
    """Serve and request; return the latencies in microseconds."""
    latencies: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        connection = _database(folder)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                kind, account = line.decode().split()
                writer.write(_answer(connection, kind, int(account)) + b"\n")
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            share = REQUESTS // CLIENTS
            await asyncio.gather(*(_client(port, n, share, latencies) for n in range(CLIENTS)))
        connection.close()
    return latencies


def main() -> None:
    """Record a trace and write it, twenty values a line."""
    values = [str(value) for value in asyncio.run(record())]
    lines = (" ".join(values[at : at + 20]) for at in range(0, len(values), 20))
    TRACE.write_text("\n".join(lines) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
