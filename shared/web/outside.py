"""Posting to addresses that partners name: never to one inside, whatever its name resolves to and when."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache, partial
from typing import Literal, NamedTuple

import anyio
import httpx

from shared.values.rejected import Invalid
from shared.web.outside_addresses import INSIDE, Address, Target, bracketed, public, target, wrong_with

__all__ = ["Failure", "Outside", "Reply", "Resolve", "Unreachable", "retry_after", "wrong_with"]

Failure = Literal["timeout", "connection", "tls", "name", "inside_address", "protocol"]
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name, in the order in which to try them. Raises `OSError` where there are none."""

LONGEST_WAIT = timedelta(days=1)
MOST_READ = 64 * 1024
"""Bytes of an answer's body: enough of a short one to use its connection again."""
MOST_TRIED = 4
"""Addresses of one name that are tried for one message; checked are all."""
MOST_HOSTS = 64
"""Hosts to which connections are kept."""
NAMES_AT_ONCE = 8
"""Names that are looked up at a time: each has a thread of ours until DNS answers, whoever has given up waiting."""
LIMITS = httpx.Limits(max_connections=16, max_keepalive_connections=2, keepalive_expiry=30.0)
"""For each host; `keepalive_expiry` in seconds."""

_RESOURCE_ERRORS = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.BusyResourceError, anyio.EndOfStream)
_CONNECTION = (httpx.NetworkError, OSError, *_RESOURCE_ERRORS)
_FAILURES = (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, UnicodeError, *_CONNECTION)


class Reply(NamedTuple):
    """What is kept of an answer: `retry_after` in seconds, up to a day; `milliseconds` until its head was there."""

    status: int
    retry_after: float | None
    milliseconds: int


class Unreachable(Exception):
    """No answer, and why: `inside_address` where the address, or one that its name has, is not a public one."""

    def __init__(self, failure: Failure, milliseconds: int) -> None:
        super().__init__(failure)
        self.failure: Failure = failure
        self.milliseconds = milliseconds


async def looked_up(host: str, port: int) -> list[str]:
    """By getaddrinfo, from the root: no search list makes another name of it. Raises `OSError`.

    In threads of its own: the loop has few, and its own connections need them.
    """
    look_up = partial(socket.getaddrinfo, f"{host}.", port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    found = await asyncio.get_running_loop().run_in_executor(_names(), look_up)
    return [str(entry[4][0]) for entry in found]


@cache
def _names() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(NAMES_AT_ONCE, thread_name_prefix="names")


class _Refused(Exception):
    """Not posted."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure: Failure = failure


class _Line:
    """The connections to one host: at one IP address, two hosts have two lines."""

    def __init__(self, verify: ssl.SSLContext) -> None:
        self.transport = httpx.AsyncHTTPTransport(verify=verify, trust_env=False, limits=LIMITS)
        self.users = 0


class Outside:
    """Posts to partners. `loopback` (the local sandbox) allows http to 127.0.0.1 and ::1; `verify` replaces the CAs.

    A name is resolved once for each post, all its addresses are checked, and one of those is connected to by number,
    with the name in SNI and in the check of the certificate: what the name resolves to later is never asked.
    Redirects are answers like any other; there are no cookies, proxies or other settings of the environment.
    """

    deadline = 15.0
    """Seconds from the start of a post to the head of its answer."""
    connect = 5.0
    """Seconds for each address."""
    body = 2.0
    """Seconds more for the body, within the deadline; the answer counts without it."""

    def __init__(
        self, *, loopback: bool = False, resolve: Resolve = looked_up, verify: ssl.SSLContext | None = None
    ) -> None:
        self._loopback = loopback
        self._resolve = resolve
        self._verify = verify or httpx.create_ssl_context(trust_env=False)
        self._lines: dict[tuple[str, str, int], _Line] = {}
        self._lookups: dict[tuple[str, int], asyncio.Future[Sequence[str]]] = {}

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Post once, with `Host` and `Content-Length` added to `headers`. Raises `Unreachable`."""
        started = asyncio.get_running_loop().time()
        try:
            return await self._posted(url, body, headers, started)
        except _Refused as error:
            raise Unreachable(error.failure, _milliseconds(started)) from None
        except _FAILURES as error:
            raise Unreachable(_failure(error), _milliseconds(started)) from error

    async def close(self) -> None:
        """Close all connections; nobody waits for names any more."""
        for lookup in self._lookups.values():
            lookup.cancel()
        while self._lines:
            _, line = self._lines.popitem()
            await line.transport.aclose()

    async def _posted(self, url: str, body: bytes, headers: Mapping[str, str], started: float) -> Reply:
        to = target(url, loopback=self._loopback)
        if isinstance(to, Invalid):
            raise _Refused("inside_address" if to == INSIDE else "protocol")
        async with self._line(to) as transport:
            async with asyncio.timeout_at(started + self.deadline):
                addresses = await self._addresses(to)
                response = await self._answered(transport, to, addresses, body, headers)
            try:
                after = retry_after(response.headers.get("retry-after"), datetime.now(UTC))
                reply = Reply(response.status_code, after, _milliseconds(started))
                await self._leave(response, started)
            finally:
                await response.aclose()
        return reply

    async def _addresses(self, to: Target) -> list[Address]:
        """All checked, or none. Raises `_Refused`."""
        if to.address is not None:
            return [to.address]
        try:
            found = [ipaddress.ip_address(text) for text in await self._looked_up(to)]
        except (OSError, ValueError):
            raise _Refused("name") from None
        if not found:
            raise _Refused("name")
        if not all(public(address) for address in found):
            raise _Refused("inside_address")
        return list(dict.fromkeys(found))[:MOST_TRIED]

    async def _looked_up(self, to: Target) -> Sequence[str]:
        """All who want to know a name at the same time wait for one lookup; who gives up leaves it to the others."""
        key = (to.host, to.port)
        lookup = self._lookups.get(key)
        if lookup is None:
            lookup = self._lookups[key] = asyncio.ensure_future(self._resolve(to.host, to.port))
            lookup.add_done_callback(partial(self._over, key))
        return await asyncio.shield(lookup)

    def _over(self, key: tuple[str, int], lookup: asyncio.Future[Sequence[str]]) -> None:
        del self._lookups[key]
        if not lookup.cancelled():
            lookup.exception()  # nobody may be left to hear it

    async def _answered(
        self,
        transport: httpx.AsyncHTTPTransport,
        to: Target,
        addresses: Sequence[Address],
        body: bytes,
        headers: Mapping[str, str],
    ) -> httpx.Response:
        """The head of the answer of the first address that connects; nothing is sent to a second one."""
        *others, last = addresses
        for address in others:
            with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return await transport.handle_async_request(self._request(to, address, body, headers))
        return await transport.handle_async_request(self._request(to, last, body, headers))

    def _request(self, to: Target, address: Address, body: bytes, headers: Mapping[str, str]) -> httpx.Request:
        fields = httpx.Headers(headers)
        fields["host"] = to.authority
        url = f"{to.scheme}://{bracketed(str(address))}:{to.port}{to.rest}"
        timeout = httpx.Timeout(None, connect=self.connect).as_dict()
        extensions = {"timeout": timeout, "sni_hostname": to.host}
        return httpx.Request("POST", url, headers=fields, content=body, extensions=extensions)

    async def _leave(self, response: httpx.Response, started: float) -> None:
        """Read the body, if it is short and comes soon, so that its connection can be used again."""
        until = min(started + self.deadline, asyncio.get_running_loop().time() + self.body)
        with suppress(*_FAILURES):
            async with asyncio.timeout_at(until), aclosing(_parts(response)) as parts:
                read = 0
                async for part in parts:
                    read += len(part)
                    if read > MOST_READ:
                        return

    @asynccontextmanager
    async def _line(self, to: Target) -> AsyncIterator[httpx.AsyncHTTPTransport]:
        """The connections to a host, the last used at the end of `_lines`; they stay open while one uses them."""
        key = (to.scheme, to.host, to.port)
        line = self._lines.pop(key, None) or _Line(self._verify)
        self._lines[key] = line
        line.users += 1
        try:
            yield line.transport
        finally:
            line.users -= 1
            await self._close_unused()

    async def _close_unused(self) -> None:
        while len(self._lines) > MOST_HOSTS:
            unused = next((key for key, line in self._lines.items() if line.users == 0), None)
            if unused is None:
                return
            await self._lines.pop(unused).transport.aclose()


async def _parts(response: httpx.Response) -> AsyncGenerator[bytes]:
    """As they come, not unpacked."""
    async for part in response.aiter_raw():
        yield part


def retry_after(field: str | None, now: datetime) -> float | None:
    """The seconds of a `Retry-After` field (RFC 9110 section 10.2.3), 0 to a day; None for any other text."""
    if field is None:
        return None
    if field.isascii() and field.isdigit():
        return min(float(field), LONGEST_WAIT.total_seconds())
    try:
        until = parsedate_to_datetime(field)
        wait = until - now if until.tzinfo else until.replace(tzinfo=UTC) - now
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait, timedelta(0)), LONGEST_WAIT).total_seconds()


def _failure(error: BaseException) -> Failure:
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return "timeout"
    if isinstance(error, ssl.SSLError) or (isinstance(error, httpx.ConnectError) and _in_handshake(error)):
        return "tls"
    return "connection" if isinstance(error, _CONNECTION) else "protocol"


def _in_handshake(error: BaseException | None) -> bool:
    """Whether TLS is what an error came of: by its context, as httpcore raises `from None` what it maps."""
    while error is not None:
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLWantReadError | ssl.SSLWantWriteError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _milliseconds(started: float) -> int:
    return round((asyncio.get_running_loop().time() - started) * 1000)
