"""`hhs-perf status` against a small real server that answers as it is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import attrs
import pytest

from hhs_perf.cli import main

TOKEN = "s3cret-token"


def objective(name: str = "p95", status: str = "met", **more: object) -> dict[str, object]:
    return {
        "name": name,
        "status": status,
        "value": 0.12,
        "target": 0.5,
        "op": "<",
        "unit": "s",
        "samples": 1234,
        "window": "1h",
        **more,
    }


def sla(*objectives: dict[str, object], name: str = "api-response-time") -> dict[str, object]:
    return {"name": name, "status": "unknown", "objectives": list(objectives)}


def alert(**more: object) -> dict[str, object]:
    return {
        "rule": "error-rate",
        "severity": "warning",
        "state": "firing",
        "figure": "errors / responses",
        "op": ">",
        "threshold": 0.05,
        "value": 0.07,
        "unit": "ratio",
        "tags": {"route": "/api/broken"},
        "since": "2026-11-24T08:00:00.000Z",
        **more,
    }


def body(*slas: dict[str, object], active: tuple[dict[str, object], ...] = ()) -> bytes:
    return json.dumps(
        {
            "generated_from": "2026-11-24T08:00:00.000Z",
            "window": {"name": "5m", "seconds": 300},
            "scope": "process",
            "api": {"observed": False},
            "sla": {"status": "unknown", "slas": slas},
            "alerts": {"active": active, "history": []},
        }
    ).encode()


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


def one_line(text: str) -> str:
    assert text.count("\n") == 1
    assert text.startswith("hhs-perf: ")
    assert "Traceback" not in text
    assert TOKEN not in text
    return text


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (("met",), 0),
        (("met", "warning"), 1),
        (("warning", "violated", "met"), 2),
        (("unknown", "met"), 0),
        (("unknown", "violated"), 2),
        (("unknown", "unknown"), 3),
        ((), 3),
    ],
)
def test_exit_status_is_the_worst_of_what_is_observed(
    server: Server, statuses: tuple[str, ...], expected: int
) -> None:
    server.answer = body(sla(*(objective(status=status) for status in statuses)))
    assert main(["status", server.url]) == expected


def test_status_shows_slas_and_alerts(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.answer = body(
        sla(objective(), objective("p99", "unknown", value=None)), active=(alert(),)
    )
    assert main(["status", server.url]) == 0
    shown, complaints = capsys.readouterr()
    for text in ("api-response-time", "120 ms", "< 500 ms", "1,234", "1h", "–"):
        assert text in shown
    for text in ("error-rate", "firing", "7 %", "5 %", "route=/api/broken"):
        assert text in shown
    assert complaints == ""


def test_no_active_alert_is_said(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.answer = body(sla(objective()))
    main(["status", server.url])
    assert "No active alerts." in capsys.readouterr().out


def test_json_holds_slas_and_alerts_alone(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer = body(sla(objective(status="warning")), active=(alert(),))
    assert main(["status", server.url, "--json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert set(shown) == {"generated_from", "window", "scope", "sla", "alerts"}
    assert shown["alerts"]["active"] == [alert()]


@pytest.mark.parametrize("path", ["", "/", "/api/performance", "/api/performance/"])
def test_url_is_taken_with_and_without_the_path(server: Server, path: str) -> None:
    server.answer = body()
    main(["status", server.url + path])
    main(["status", server.url.removeprefix("http://") + path])
    assert [asked for asked, _ in server.seen] == ["/api/performance"] * 2


def test_a_mount_below_a_prefix_is_kept(server: Server) -> None:
    server.answer = body()
    main(["status", f"{server.url}/inner"])
    assert server.seen == [("/inner/api/performance", None)]


def test_token_comes_from_option_or_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = body()
    monkeypatch.setenv("HHS_PERF_TOKEN", "from-environment")
    main(["status", server.url])
    main(["status", server.url, "--token", TOKEN])
    assert [sent for _, sent in server.seen] == ["Bearer from-environment", f"Bearer {TOKEN}"]


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


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>It works!</html>",
        b"\xff\xfe\x00",
        b"null",
        b"{}",
        b"[" * 100_000,
        b'{"sla": {"slas": NaN}}',
        body(sla(objective(status="splendid"))),
        body(sla(objective(samples="many"))),
        body(sla(objective(value="NaN"))),
        body(active=(alert(tags=[1, 2]),)),
    ],
)
def test_an_answer_of_another_kind_is_one_line_and_4(
    server: Server, capsys: pytest.CaptureFixture[str], answer: bytes
) -> None:
    server.answer = answer
    assert main(["status", server.url, "--token", TOKEN]) == 4
    assert "not with the figures of hhs_perf" in one_line(capsys.readouterr().err)


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


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://localhost",
        "http://",
        "http://localhost:port",
        "http://localhost:99999",
        "http://a b",
        "http://[::1",
        "http://user:pass@localhost",
        "http://local\nhost",
    ],
)
def test_a_bad_address_is_a_usage_error(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", url]) == 64
    one_line(capsys.readouterr().err)


@pytest.mark.parametrize("token", ["", " ", "a\nb", "s3cret-tokén"])
def test_a_token_that_no_header_can_carry_is_a_usage_error(
    token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "http://127.0.0.1:1", "--token", token]) == 64
    shown = one_line(capsys.readouterr().err)
    assert "printable ASCII" in shown
    assert "s3cret" not in shown


@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b[2J\x1b]0;owned\x07",
        "\x9b31m",
        "\u202eright to left",
        "[bold red]markup[/bold red]",
        "[link=file:///etc/passwd]click[/link]",
        "\ud800",
        "two\nlines\rback",
    ],
)
def test_text_of_a_server_is_shown_and_never_obeyed(
    server: Server, capsys: pytest.CaptureFixture[str], hostile: str
) -> None:
    server.answer = body(
        sla(objective(hostile, window=hostile), name=hostile),
        active=(alert(rule=hostile, figure=hostile, tags={hostile: hostile}, since=hostile),),
    )
    if not hostile.isascii() and "\ud800" in hostile:
        assert main(["status", server.url]) == 4  # lone surrogates are no JSON text
        return
    main(["status", server.url])
    main(["status", server.url, "--json"])
    shown = capsys.readouterr().out
    assert not any(letter in shown for letter in "\x1b\x9b\x07\r\u202e")
    if "[" in hostile and hostile.isprintable():
        assert hostile in shown


def test_a_hostile_redirect_is_shown_and_never_obeyed(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.status = 302
    server.headers = {"Location": "http://\x1b[31mred\x9b"}
    assert main(["status", server.url]) == 4
    assert one_line(capsys.readouterr().err).rstrip("\n").isprintable()


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
