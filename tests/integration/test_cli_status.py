"""`hhs-perf status` against a small real server that answers as it is told."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import attrs
import pytest

from hhs_perf.cli import main
from tests.status_answers import TOKEN, body, objective, one_line, sla


@attrs.define
class Server:
    """A server on a port of its own; set what it answers, read what it was asked."""

    url: str
    closing: Event
    status: int = 200
    answer: bytes = b""
    headers: Mapping[str, str] = {}
    stall: bool = False
    drip: bool = False
    seen: list[tuple[str, str | None]] = attrs.Factory(list)


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.seen.append((self.path, self.headers["Authorization"]))
            if told.stall:
                told.closing.wait()
                return
            self.send_response(told.status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if told.drip:
                self.drip()
            else:
                self.wfile.write(told.answer)

        def drip(self) -> None:
            """Send a byte now and then, each in time by itself, until nobody listens."""
            try:
                while not told.closing.wait(0.02):
                    self.wfile.write(b" ")
            except OSError:
                pass

        def log_message(self, *_args: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told = Server(f"http://127.0.0.1:{httpd.server_port}", Event())
    thread = Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    yield told
    told.closing.set()
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def test_the_question_is_one_get_with_the_token(server: Server) -> None:
    server.answer = body(sla(objective()))
    assert main(["status", server.url, "--token", TOKEN]) == 0
    assert main(["status", server.url.removeprefix("http://")]) == 0
    path = "/api/performance"
    assert server.seen == [(path, f"Bearer {TOKEN}"), (path, None)]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "does not know this token"),
        (403, "lacks the role viewer"),
        (404, "has no /api/performance"),
        (500, "answered 500"),
        (503, "answered 503"),
    ],
)
def test_a_refusal_is_one_line_and_4(
    server: Server, capsys: pytest.CaptureFixture[str], status: int, said: str
) -> None:
    server.status = status
    assert main(["status", server.url, "--token", TOKEN]) == 4
    assert said in one_line(capsys.readouterr().err)


def test_a_missing_token_is_named(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.status = 401
    assert main(["status", server.url]) == 4
    assert "HHS_PERF_TOKEN" in one_line(capsys.readouterr().err)


def test_the_token_follows_no_redirect(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.status = 302
    server.headers = {"Location": f"{server.url}/elsewhere"}
    assert main(["status", server.url, "--token", TOKEN]) == 4
    assert "redirects to" in one_line(capsys.readouterr().err)
    assert [asked for asked, _ in server.seen] == ["/api/performance"]


def test_a_hostile_redirect_is_shown_and_never_obeyed(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.status = 302
    server.headers = {"Location": "http://\x1b[31mred\x9b"}
    assert main(["status", server.url]) == 4
    assert one_line(capsys.readouterr().err).rstrip("\n").isprintable()


def test_a_shortened_answer_is_one_line_and_4(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer = body()
    server.headers = {"Content-Length": str(len(body()) + 1)}
    assert main(["status", server.url]) == 4
    assert "broke off" in one_line(capsys.readouterr().err)


def test_an_endless_answer_is_not_read_whole(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hhs_perf.cli._fetch._LARGEST", 1000)
    server.answer = b" " * 5000
    assert main(["status", server.url]) == 4
    assert "more than" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize("fault", ["stall", "drip"])
def test_the_deadline_covers_the_whole_answer(
    server: Server, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    setattr(server, fault, True)
    assert main(["status", server.url, "--timeout", "0.3", "--token", TOKEN]) == 4
    assert "within 0.3 s" in one_line(capsys.readouterr().err)


def test_nobody_there_is_one_line_and_4(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "http://127.0.0.1:1", "--token", TOKEN]) == 4
    assert "cannot reach" in one_line(capsys.readouterr().err)


def test_an_unknown_host_is_one_line_and_4(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "http://no-such-host.invalid"]) == 4
    assert "no-such-host.invalid" in one_line(capsys.readouterr().err)


def run(*arguments: str, stdout: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "hhs_perf", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_reader_that_has_gone_is_no_verdict(server: Server, form: list[str]) -> None:
    """The exit status is that of a broken pipe, which no verdict shares."""
    server.answer = body(sla(objective(status="warning")))
    reading, writing = os.pipe()
    os.close(reading)
    with run("status", server.url, *form, stdout=writing) as process:
        os.close(writing)
        _, complaints = process.communicate(timeout=30)
    assert (process.returncode, complaints) == (141, "")
