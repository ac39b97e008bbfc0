"""A load generator that costs little: requests rendered beforehand, answers read by length."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from functools import partial
from urllib.parse import urlsplit


def rendered(url: str, method: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """One HTTP/1.1 request as bytes."""
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {path} HTTP/1.1", f"host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last one is complete."""

    def __init__(self, requests: Iterator[bytes], expected: bytes, done: asyncio.Future[None]) -> None:
        self._requests = requests
        self._expected = expected
        self._done = done
        self._buffer = b""
        self.wrong: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            if not self._done.done():
                self._done.set_result(None)
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._buffer[:head_end].lower()
        start = head.index(b"content-length: ") + 16
        end = head.find(b"\r\n", start)
        length = int(head[start : end if end >= 0 else len(head)])
        if len(self._buffer) < head_end + 4 + length:
            return
        if not self._buffer.startswith(self._expected):
            self.wrong.append(self._buffer)
        self._buffer = b""
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(error or ConnectionError("the server closed the connection"))


async def run(url: str, requests: Sequence[bytes], *, connections: int, expect: int) -> float:
    """Send all requests over `connections` at once; requests per second. Raises RuntimeError for any other status."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    loop = asyncio.get_running_loop()
    shared = iter(requests)
    expected = f"HTTP/1.1 {expect}".encode()
    started = time.perf_counter()
    futures: list[asyncio.Future[None]] = []
    protocols: list[_Connection] = []
    for _ in range(connections):
        done: asyncio.Future[None] = loop.create_future()
        made = partial(_Connection, shared, expected, done)
        _, protocol = await loop.create_connection(made, parts.hostname, parts.port)
        futures.append(done)
        protocols.append(protocol)
    await asyncio.gather(*futures)
    seconds = time.perf_counter() - started
    wrong = [answer for protocol in protocols for answer in protocol.wrong]
    if wrong:
        raise RuntimeError(f"{len(wrong)} of {len(requests)} answers were not {expect}: {wrong[0][:600]!r}")
    return len(requests) / seconds
