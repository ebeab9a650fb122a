"""`hhs-perf status`: what it makes of its arguments and of an answer."""

from __future__ import annotations

import json

import attrs
import pytest

from hhs_perf.cli import _commands, main
from tests.status_answers import TOKEN, alert, body, objective, one_line, sla


@attrs.define
class Server:
    """What the questions are answered with, and who asked what; no server is there."""

    url: str = "http://app.example"
    answer: bytes = b""
    seen: list[tuple[str, str | None]] = attrs.Factory(list)

    def fetch(self, address: str, *, token: str | None, timeout: float) -> bytes:
        """Stand in for the real `fetch`, which has tests of its own against real servers."""
        self.seen.append((address, token))
        return self.answer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    told = Server()
    monkeypatch.setattr(_commands, "fetch", told.fetch)
    return told


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
    assert [asked for asked, _ in server.seen] == [f"{server.url}/api/performance"] * 2


def test_a_mount_below_a_prefix_is_kept(server: Server) -> None:
    server.answer = body()
    main(["status", f"{server.url}/inner"])
    assert server.seen == [(f"{server.url}/inner/api/performance", None)]


def test_token_comes_from_option_or_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = body()
    monkeypatch.setenv("HHS_PERF_TOKEN", "from-environment")
    main(["status", server.url])
    main(["status", server.url, "--token", TOKEN])
    assert [sent for _, sent in server.seen] == ["from-environment", TOKEN]


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
