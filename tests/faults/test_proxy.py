"""The proxy does to connections what it says."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.faults.proxy import HOST, NONE, FaultProxy, Trouble, proxied

WAIT = 0.3


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """The port of a server that says what it hears."""

    async def repeat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1024):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(repeat, HOST, 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def said(proxy: FaultProxy, data: bytes) -> bytes:
    """What comes back through a new connection; empty where it is cut."""
    reader, writer = await asyncio.open_connection(HOST, proxy.port)
    try:
        writer.write(data)
        return await reader.readexactly(len(data))
    except (OSError, asyncio.IncompleteReadError):
        return b""
    finally:
        writer.close()


async def test_without_trouble_everything_passes(echo: int) -> None:
    async with proxied(echo) as proxy:
        assert await said(proxy, b"x" * 100_000) == b"x" * 100_000
        assert proxy.passed == 200_000


async def test_what_is_cut_is_reset_and_refused_until_it_is_over(echo: int) -> None:
    async with proxied(echo) as proxy:
        reader, writer = await asyncio.open_connection(HOST, proxy.port)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        proxy.make(Trouble("cut"))
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
        assert await said(proxy, b"hello") == b""
        proxy.make(NONE)
        assert await said(proxy, b"hello") == b"hello"


async def test_a_half_open_connection_is_taken_and_silent_and_delivers_when_it_is_over(echo: int) -> None:
    async with proxied(echo) as proxy:
        proxy.make(Trouble("half-open"))
        answer = asyncio.create_task(said(proxy, b"hello"))
        await asyncio.sleep(WAIT)
        assert not answer.done()
        assert proxy.passed == 0
        proxy.make(NONE)
        assert await answer == b"hello"


@pytest.mark.parametrize("trouble", [Trouble("delay", WAIT), Trouble("slow", 1000 / WAIT)])
async def test_what_is_delayed_or_slow_comes_later_and_whole(echo: int, trouble: Trouble) -> None:
    loop = asyncio.get_running_loop()
    async with proxied(echo) as proxy:
        proxy.make(trouble)
        began = loop.time()
        assert await said(proxy, b"x" * 1000) == b"x" * 1000
        assert loop.time() - began >= 2 * WAIT, "there and back"
