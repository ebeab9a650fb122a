"""Which addresses belong to the public Internet, and which hosts may be asked."""

from __future__ import annotations

import pytest

from hhs_perf.scrapers.transport import SendError
from hhs_perf.scrapers.transports.guard import Guard, is_public


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "151.101.1.140", "2606:4700::1111", "64:ff9b::101:101", "2a00:1450::1"]
)
def test_a_server_of_the_internet_is_public(address: str) -> None:
    """Also where NAT64 writes its IPv4 address into one of IPv6."""
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",  # a cloud's metadata
        "100.64.0.1",  # a provider's inside
        "100.100.100.200",
        "192.0.0.192",
        "192.88.99.1",
        "198.18.0.1",
        "203.0.113.7",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:1.1.1.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2001::7f00:1",  # Teredo
        "2001:db8::1",
        "2002:7f00:1::",  # 6to4
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "4000::1",
        "no address",
        "",
    ],
)
def test_everything_else_is_not(address: str) -> None:
    """Whichever way an inner address is written."""
    assert not is_public(address)


def guard(*addresses: str) -> Guard:
    async def look_up(host: str, port: int) -> list[str]:
        return list(addresses)

    return Guard(look_up)


async def test_each_public_address_is_given_once() -> None:
    """In the order of the look-up."""
    found = await guard("1.1.1.1", "2606:4700::1111", "1.1.1.1").addresses("https", "a.b", 443)
    assert found == ("1.1.1.1", "2606:4700::1111")


@pytest.mark.parametrize(
    ("scheme", "host", "port"),
    [
        ("http", "a.example", 80),
        ("http", "a.example", 443),
        ("https", "a.example", 22),
        ("https", "1.1.1.1", 443),
        ("https", "::1", 443),
        ("https", "127.1", 443),
        ("https", "a.0x7f", 443),
        ("https", "2130706433.", 443),
    ],
)
async def test_only_a_name_at_the_port_of_https_is_asked(scheme: str, host: str, port: int) -> None:
    """An address of the list needs nothing else."""
    with pytest.raises(SendError) as caught:
        await guard("1.1.1.1").addresses(scheme, host, port)
    assert caught.value.phase == "address"


async def test_one_inner_address_refuses_the_host() -> None:
    """Which of them a connection is made to would be luck."""
    with pytest.raises(SendError) as caught:
        await guard("1.1.1.1", "::1").addresses("https", "a.example", 443)
    assert caught.value.phase == "address"


async def test_a_name_without_an_address_cannot_be_connected_to() -> None:
    """It may be there again tomorrow."""

    async def look_up(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    for each in (guard(), Guard(look_up)):
        with pytest.raises(SendError) as caught:
            await each.addresses("https", "a.example", 443)
        assert caught.value.phase == "connect"


async def test_the_resolver_of_the_machine_is_asked() -> None:
    """And localhost is no host for others."""
    with pytest.raises(SendError) as caught:
        await Guard().addresses("https", "localhost", 443)
    assert caught.value.phase == "address"
