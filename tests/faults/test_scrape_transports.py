"""Whatever a server does: a reply within bounds or a SendError that tells the phase, in time."""

from __future__ import annotations

import asyncio
import gzip
import logging
import re
import socket
import ssl
import struct
import zlib
from collections.abc import AsyncIterator, Callable
from functools import cache

import pytest
import trustme

from hhs_perf.scrapers.platform import Call, Platform, Reply
from hhs_perf.scrapers.transport import SendError, Transport, TransportFactory, TransportOptions
from hhs_perf.scrapers.transports import TRANSPORTS, factory_of
from hhs_perf.scrapers.transports.guard import Guard
from tests.raw_server import RawServer, reply

Opened = Callable[..., Transport]

CAP = 10_000
OPTIONS = {
    "connect_timeout": 0.3,
    "read_timeout": 0.3,
    "total_timeout": 5.0,
    "max_body": CAP,
    "user_agent": "hhs_perf tests",
    "max_connections": 5,
}


def platform(base_url: str) -> Platform:
    return Platform(
        name="fake",
        title="Fake",
        base_url=base_url,
        match=lambda address: None,
        build=lambda targets, credentials: Call(path="/"),
        parse=lambda reply, targets: {},
        figures=(),
    )


@cache
def common_factory(library: str) -> TransportFactory:
    return factory_of(library)  # whose TLS context takes longer to make than most tests


@pytest.fixture(params=TRANSPORTS)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each library, on a machine without proxies."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return request.param


@pytest.fixture
async def opened(library: str) -> AsyncIterator[Opened]:
    """Make transports with a library, closed after the test."""
    made: list[Transport] = []

    def make(base_url: str, *, guard: Guard | None = None, **said: float) -> Transport:
        factory = factory_of(library, guard=guard) if guard else common_factory(library)
        made.append(factory(platform(base_url), TransportOptions(**{**OPTIONS, **said})))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def ask(transport: Transport, server: RawServer, **call: object) -> Reply:
    request = Call(**{"path": "/2/users", **call})
    return await transport.send(server.url + request.path, request)


async def fails(transport: Transport, server: RawServer, **call: object) -> SendError:
    with pytest.raises(SendError) as caught:
        await ask(transport, server, **call)
    return caught.value


def ending(data: bytes, *, reset: bool = False) -> Callable:
    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if reset:
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        else:
            writer.close()

    return answer


def dripping(head: bytes, drop: bytes, seconds: float) -> Callable:
    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(seconds)

    return answer


async def silence(_: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def test_a_call_is_sent_as_it_was_built(opened: Opened) -> None:
    """Path, query, headers, and who asks."""
    async with RawServer(reply()) as server:
        await ask(
            opened(server.url),
            server,
            path="/2/users/by/é x",
            params=(("ids", "1,2"), ("q", "a&b=c d")),
            headers={"Authorization": "Bearer abc", "User-Agent": "ours"},
        )
        head, *lines = server.requests[0].decode().split("\r\n")
    assert head == "GET /2/users/by/%C3%A9%20x?ids=1,2&q=a%26b%3Dc%20d HTTP/1.1"
    sent = {name.lower(): value for name, value in (each.split(": ") for each in lines if each)}
    sent.pop("connection", None)
    assert sent == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": "ours",
        "accept": "application/json",
        "accept-encoding": "gzip, deflate",
        "authorization": "Bearer abc",
    }


async def test_json_is_posted(opened: Opened) -> None:
    """With its type and its length."""
    async with RawServer(reply()) as server:
        await ask(opened(server.url), server, method="POST", json={"username": "hhs"})
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /2/users HTTP/1.1")
    assert b"application/json" in head
    assert body == b'{"username":"hhs"}'


async def test_headers_come_in_lower_case_without_cookies(opened: Opened) -> None:
    """Those that repeat are joined, and a cookie is neither told nor sent back."""
    answer = reply(b"{}", "X-Limit: 1", "x-limit: 2", "Set-Cookie: session=secret", "Date: now")
    async with RawServer(answer) as server:
        transport = opened(server.url)
        got = await ask(transport, server)
        await ask(transport, server)
    assert (got.headers["x-limit"], got.headers["date"]) == ("1, 2", "now")
    assert "set-cookie" not in got.headers
    assert b"cookie" not in server.requests[1].lower()


async def test_a_redirect_is_a_reply(opened: Opened) -> None:
    """It may lead to a login page, or to the inside of a network."""
    async with RawServer(reply(b"", "Location: http://169.254.169.254/", status="302 F")) as server:
        got = await ask(opened(server.url), server)
    assert (got.status, got.headers["location"]) == (302, "http://169.254.169.254/")
    assert len(server.requests) == 1


async def test_a_connection_is_used_again(opened: Opened) -> None:
    """Also after a reply that is no success."""
    async with RawServer(reply(status="500 No"), reply(b"[1]")) as server:
        transport = opened(server.url)
        assert (await ask(transport, server)).status == 500
        assert (await ask(transport, server)).json() == [1]
        assert server.connections == 1


async def test_a_connection_that_the_server_ended_is_not_used_again(opened: Opened) -> None:
    """No request is lost to it."""
    async with RawServer(ending(reply())) as server:
        transport = opened(server.url)
        for _ in range(3):
            assert (await ask(transport, server)).status == 200
            await asyncio.wait_for(server.ended.wait(), 5)
            await asyncio.sleep(0.02)
        assert server.connections == 3


async def test_nobody_listens(opened: Opened) -> None:
    """Refused."""
    async with RawServer(reply()) as server:
        pass
    assert (await fails(opened(server.url), server)).phase == "connect"


async def test_a_handshake_that_never_ends(opened: Opened) -> None:
    """It is part of connecting."""
    holder: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: holder.append(writer), "127.0.0.1", 0)
    url = f"https://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    with pytest.raises(SendError) as caught:
        await opened(url).send(url + "/", Call(path="/"))
    assert caught.value.phase == "connect"
    silent.close()
    for writer in holder:
        writer.transport.abort()


@pytest.mark.parametrize(
    "answer",
    [
        ending(b""),
        ending(b"", reset=True),
        ending(b"HTTP/1.1 200 OK\r\nContent-Le"),
        ending(reply(b'{"a"', "Content-Length: 100")),
        ending(reply(b'{"a"', "Content-Length: 100"), reset=True),
        ending(reply(b'6\r\n{"a"', "Transfer-Encoding: chunked")),
        ending(reply(b"zz\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked")),
        ending(b"\x16\x03\x01\x00\xa5\x01 no HTTP at all\r\n\r\n"),
        ending(b"220 mail.example ESMTP\r\n"),
        ending(reply(b"{}", "X: " + "a" * 300_000)),
        ending(reply(b"{}", "Content-Length: -5")),
        silence,
        dripping(b"HTTP/1.1 200 OK\r\n", b"", 60),
        dripping(reply(b"{", "Content-Length: 100"), b"", 60),
    ],
    ids=[
        "closed",
        "reset",
        "half_a_head",
        "half_a_body",
        "reset_in_the_body",
        "half_a_chunk",
        "no_chunk",
        "bytes",
        "mail",
        "endless_header",
        "negative_length",
        "silence",
        "silence_in_the_head",
        "silence_in_the_body",
    ],
)
async def test_half_a_reply_is_no_reply(opened: Opened, answer: Callable) -> None:
    """Nothing is read out of it, and the next request finds another connection."""
    async with RawServer(answer, reply(b"[1]")) as server:
        transport = opened(server.url)
        assert (await fails(transport, server)).phase == "read"
        assert (await ask(transport, server)).json() == [1]
        assert server.connections == 2


@pytest.mark.parametrize("drop", [b"a", b""], ids=["body", "head"])
async def test_drops_end_at_the_time_for_all(opened: Opened, drop: bytes) -> None:
    """Each comes in time, all of them never do."""
    head = reply(b"", "Content-Length: 9000") if drop else b"HTTP/1.1 200 OK\r\nX: "
    async with RawServer(dripping(head, drop or b"y", 0.02)) as server:
        transport = opened(server.url, total_timeout=0.3)
        began = asyncio.get_running_loop().time()
        assert (await fails(transport, server)).phase == "total"
        assert asyncio.get_running_loop().time() - began < 2.0
        await asyncio.wait_for(server.ended.wait(), 5)


@pytest.mark.parametrize("value", ["abc\r\nX: 1", "abc\n", "ab\x00c", "abcé"])
async def test_a_secret_that_cannot_be_sent_is_not_shown(opened: Opened, value: str) -> None:
    """A token may have been pasted with its line end."""
    async with RawServer(reply()) as server:
        error = await fails(
            opened(server.url), server, headers={"authorization": value}, params=(("key", "abc"),)
        )
        assert server.connections == 0
    assert error.phase == "send"
    assert "abc" not in str(error)


@pytest.mark.parametrize("size", [CAP, 40 * CAP])
@pytest.mark.parametrize("coding", ["plain", "chunked", "gzip", "deflate", "raw"])
async def test_a_body_is_cut_at_the_cap(opened: Opened, size: int, coding: str) -> None:
    """As it is after decoding."""
    body = b"7" * size
    raw = zlib.compressobj(wbits=-15)
    sent = {
        "plain": lambda: reply(body),
        "chunked": lambda: reply(
            b"%x\r\n%b\r\n0\r\n\r\n" % (size, body), "Transfer-Encoding: chunked"
        ),
        "gzip": lambda: reply(gzip.compress(body), "Content-Encoding: gzip"),
        "deflate": lambda: reply(zlib.compress(body), "Content-Encoding: deflate"),
        "raw": lambda: reply(raw.compress(body) + raw.flush(), "Content-Encoding: deflate"),
    }[coding]()
    async with RawServer(sent) as server:
        got = await ask(opened(server.url), server)
    assert (len(got.body), got.is_cut) == (CAP, size > CAP)


async def test_an_endless_body_is_cut(opened: Opened) -> None:
    """And the server is not listened to any longer."""
    head = reply(b"", "Transfer-Encoding: chunked")
    async with RawServer(dripping(head, b"400\r\n%b\r\n" % (b"x" * 1024), 0), reply()) as server:
        transport = opened(server.url)
        got = await ask(transport, server)
        assert (got.status, len(got.body), got.is_cut) == (200, CAP, True)
        await asyncio.wait_for(server.ended.wait(), 5)
        assert (await ask(transport, server)).is_cut is False


async def test_several_members_of_gzip_are_one_body(opened: Opened) -> None:
    """RFC 1952, 2.2."""
    two = gzip.compress(b"[1,") + gzip.compress(b"2]")
    async with RawServer(reply(two, "Content-Encoding: gzip")) as server:
        assert (await ask(opened(server.url), server)).json() == [1, 2]


async def test_an_encoded_body_may_be_empty(opened: Opened) -> None:
    """Then nothing has to be decoded."""
    async with RawServer(reply(b"", "Content-Encoding: gzip", status="503 No")) as server:
        got = await ask(opened(server.url), server)
    assert (got.status, got.body) == (503, b"")


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"{}", "gzip"),
        (gzip.compress(b"{}" * 500)[:-12], "gzip"),
        (zlib.compress(b"{}" * 500)[:-5], "deflate"),
        (b"\x0b\x02\x80{}\x03", "br"),
    ],
    ids=["not_encoded", "half_gzip", "half_deflate", "not_asked_for"],
)
async def test_what_cannot_be_decoded_is_no_reply(
    opened: Opened, body: bytes, encoding: str
) -> None:
    """Not even half of it."""
    async with RawServer(reply(body, f"Content-Encoding: {encoding}")) as server:
        assert (await fails(opened(server.url), server)).phase == "read"


async def test_who_is_cancelled_leaves_no_connection(opened: Opened) -> None:
    """A reply that comes later must not be the answer to the next request."""
    async with RawServer(silence, reply(b"[2]")) as server:
        transport = opened(server.url, read_timeout=30.0)
        task = asyncio.create_task(ask(transport, server))
        await server.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await ask(transport, server)).json() == [2]
        assert server.connections == 2


async def test_many_at_a_time(opened: Opened) -> None:
    """Each gets the reply to its own request."""

    async def echo(request: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.001 * (len(request) % 7))
        writer.write(reply(b'"%b"' % request.split(b" ")[1]))

    async with RawServer(echo) as server:
        transport = opened(server.url)
        for _ in range(3):
            paths = [f"/{n}" for n in range(40)]
            got = await asyncio.gather(*(ask(transport, server, path=each) for each in paths))
            assert [each.json() for each in got] == paths


async def test_no_secret_is_logged(opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the header nor the query, however much is logged."""
    caplog.set_level(logging.DEBUG)
    async with RawServer(reply(), ending(b"what?\r\n\r\n")) as server:
        transport = opened(server.url)
        secrets = {"headers": {"authorization": "Bearer s3cret"}, "params": (("key", "s3cret"),)}
        await ask(transport, server, **secrets)
        error = await fails(transport, server, **secrets)
    assert "s3cret" not in caplog.text + str(error) + repr(error.__cause__)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Somebody who signs certificates."""
    return trustme.CA()


def certified(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)
    return context


async def test_a_certificate_that_nobody_knows(opened: Opened, authority: trustme.CA) -> None:
    """It is not talked to."""
    async with RawServer(reply(), tls=certified(authority, "127.0.0.1")) as server:
        error = await fails(opened(server.url), server)
    assert error.phase == "connect"
    assert "certificate" in error.detail
    assert server.requests == []


class Sure(Guard):
    """Takes a look-up's answer for public."""

    async def addresses(self, scheme: str, host: str, port: int) -> tuple[str, ...]:
        return ("127.0.0.2", "127.0.0.1")


async def test_a_guarded_host_is_asked_where_the_guard_looked(
    opened: Opened,
    authority: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """No second look-up is made: this name has no address at all. The certificate is the name's."""
    root = tmp_path_factory.mktemp("ca") / "root.pem"
    authority.cert_pem.write_to_path(root)
    monkeypatch.setenv("SSL_CERT_FILE", str(root))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")  # is not asked, as it looks names up
    async with RawServer(reply(b"[1]"), tls=certified(authority, "fedi.invalid")) as server:
        transport = opened("https://home.invalid", guard=Sure())
        url = f"https://fedi.invalid:{server.port}/x"
        for _ in range(2):
            assert (await transport.send(url, Call(path="/x"))).json() == [1]
        assert server.connections == 1
        with pytest.raises(SendError, match="certificate"):
            await transport.send(f"https://other.invalid:{server.port}/x", Call(path="/x"))


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://2130706433/x",
        "https://0x7f.1/x",
        "http://fedi.invalid/x",
        "https://fedi.invalid:8443/x",
        "https://fedi.invalid/x",
    ],
)
async def test_a_host_of_the_list_leads_nowhere_inside(opened: Opened, url: str) -> None:
    """Neither by its address nor by its name."""

    async def inside(host: str, port: int) -> list[str]:
        return ["1.1.1.1", "10.0.0.7"]

    transport = opened("https://home.invalid", guard=Guard(inside))
    with pytest.raises(SendError) as caught:
        await transport.send(url, Call(path="/x"))
    assert caught.value.phase == "address"
    assert "10.0.0.7" not in str(caught.value)


async def test_the_proxy_of_the_environment_is_asked(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its login; NO_PROXY is kept."""
    async with RawServer(reply(b"[1]")) as proxy, RawServer(reply(b"[2]")) as server:
        url = f"http://me:p%40ss@127.0.0.1:{proxy.port}"
        monkeypatch.setenv("http_proxy", url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        transport = opened("http://api.invalid")
        assert (await transport.send("http://api.invalid/x", Call(path="/x"))).json() == [1]
        assert (await ask(opened(server.url), server)).json() == [2]
    assert re.match(rb"GET http://api\.invalid(:80)?/x HTTP/1.1\r\n", proxy.requests[0])
    assert b"basic bwu6cebzcw==" in proxy.requests[0].lower()


async def test_a_tunnel_that_is_refused(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a connection that was not made."""
    async with RawServer(reply(b"", status="407 Who?")) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(SendError) as caught:
            await opened("https://api.invalid").send("https://api.invalid/x", Call(path="/x"))
    assert caught.value.phase == "connect"
    assert proxy.requests[0].startswith(b"CONNECT api.invalid:443 HTTP/1.1\r\n")
